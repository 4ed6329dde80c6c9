#pragma once

#include <cstddef>

#include "core/curvature/views.h"
#include "core/parallel/spare_memory.h"

namespace divulge {

// A view View<T>(arguments..., room) with its memory, on loan where there is spare memory.
template <template <class> class View, class T>
class Owned {
 public:
  Owned() = default;
  template <class... Arguments>
  explicit Owned(SpareMemory<T>* spare, const Arguments&... arguments)
      : memory_(spare, count(arguments...)), view_(make(memory_.data(), arguments...)) {}
  Owned(Owned&&) = default;  // the views move along; a copy's would not
  Owned& operator=(Owned&&) = default;

  const View<T>& view() const { return view_; }
  Span<T> numbers() { return {memory_.data(), memory_.size()}; }

 private:
  template <class... Arguments>
  static std::size_t count(const Arguments&... arguments) {
    Room<T> counted;
    View<T>(arguments..., counted);
    return counted.used();
  }
  template <class... Arguments>
  static View<T> make(T* memory, const Arguments&... arguments) {
    Room<T> room(memory);
    return View<T>(arguments..., room);
  }

  Loan<T> memory_;
  View<T> view_;
};

}  // namespace divulge
