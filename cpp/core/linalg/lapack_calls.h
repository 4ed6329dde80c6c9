#pragma once

#include <cblas.h>

#include <cstddef>

// The Fortran entry points that blas.cpp and lapack.cpp use, overloaded on float and double, so that the
// templates there read like LAPACK's manual. Matrices are column-major here. Each char argument has a hidden
// length at the end.
namespace divulge::lapack {

using Int = blasint;

extern "C" {
#define DIVULGE_DECLARE(T, p)                                                                                \
  void scipy_##p##geqrf_(const Int* m, const Int* n, T* a, const Int* lda, T* tau, T* work,                  \
                         const Int* lwork, Int* info);                                                       \
  void scipy_##p##ormqr_(const char* side, const char* trans, const Int* m, const Int* n, const Int* k,      \
                         const T* a, const Int* lda, const T* tau, T* c, const Int* ldc, T* work,            \
                         const Int* lwork, Int* info, std::size_t, std::size_t);                             \
  void scipy_##p##trtrs_(const char* uplo, const char* trans, const char* diag, const Int* n,                \
                         const Int* nrhs, const T* a, const Int* lda, T* b, const Int* ldb, Int* info,       \
                         std::size_t, std::size_t, std::size_t);                                             \
  void scipy_##p##trcon_(const char* norm, const char* uplo, const char* diag, const Int* n, const T* a,     \
                         const Int* lda, T* rcond, T* work, Int* iwork, Int* info, std::size_t, std::size_t, \
                         std::size_t);                                                                       \
  void scipy_##p##potrf_(const char* uplo, const Int* n, T* a, const Int* lda, Int* info, std::size_t);      \
  void scipy_##p##potri_(const char* uplo, const Int* n, T* a, const Int* lda, Int* info, std::size_t);
DIVULGE_DECLARE(float, s)
DIVULGE_DECLARE(double, d)
#undef DIVULGE_DECLARE
}

#define DIVULGE_OVERLOAD(T, p)                                                                          \
  inline Int geqrf(Int m, Int n, T* a, Int lda, T* tau, T* work, Int lwork) {                           \
    Int info = 0;                                                                                       \
    scipy_##p##geqrf_(&m, &n, a, &lda, tau, work, &lwork, &info);                                       \
    return info;                                                                                        \
  }                                                                                                     \
  inline Int ormqr(char side, char trans, Int m, Int n, Int k, const T* a, Int lda, const T* tau, T* c, \
                   Int ldc, T* work, Int lwork) {                                                       \
    Int info = 0;                                                                                       \
    scipy_##p##ormqr_(&side, &trans, &m, &n, &k, a, &lda, tau, c, &ldc, work, &lwork, &info, 1, 1);     \
    return info;                                                                                        \
  }                                                                                                     \
  inline Int trtrs(char uplo, char trans, Int n, Int nrhs, const T* a, Int lda, T* b, Int ldb) {        \
    Int info = 0;                                                                                       \
    const char diag = 'N';                                                                              \
    scipy_##p##trtrs_(&uplo, &trans, &diag, &n, &nrhs, a, &lda, b, &ldb, &info, 1, 1, 1);               \
    return info;                                                                                        \
  }                                                                                                     \
  inline Int trcon(char norm, char uplo, Int n, const T* a, Int lda, T* rcond, T* work, Int* iwork) {   \
    Int info = 0;                                                                                       \
    const char diag = 'N';                                                                              \
    scipy_##p##trcon_(&norm, &uplo, &diag, &n, a, &lda, rcond, work, iwork, &info, 1, 1, 1);            \
    return info;                                                                                        \
  }                                                                                                     \
  inline Int potrf(char uplo, Int n, T* a, Int lda) {                                                   \
    Int info = 0;                                                                                       \
    scipy_##p##potrf_(&uplo, &n, a, &lda, &info, 1);                                                    \
    return info;                                                                                        \
  }                                                                                                     \
  inline Int potri(char uplo, Int n, T* a, Int lda) {                                                   \
    Int info = 0;                                                                                       \
    scipy_##p##potri_(&uplo, &n, a, &lda, &info, 1);                                                    \
    return info;                                                                                        \
  }
DIVULGE_OVERLOAD(float, s)
DIVULGE_OVERLOAD(double, d)
#undef DIVULGE_OVERLOAD

}  // namespace divulge::lapack
