#pragma once

#include <cmath>

#include "kernels/hd.h"
#include "kernels/relu.h"

// Activations a = s(z) of hidden layers, written in terms of a alone, so that z need not be kept.
namespace divulge {

enum class Activation { identity, relu, tanh };

namespace kernels {

struct Identity {
  template <class T>
  DIVULGE_HD static T value(T z) {
    return z;
  }
  template <class T>
  DIVULGE_HD static T slope(T) {  // s'
    return T(1);
  }
  template <class T>
  DIVULGE_HD static T bend(T) {  // s'' / s'
    return T(0);
  }
};

struct Relu {
  template <class T>
  DIVULGE_HD static T value(T z) {
    return relu(z);
  }
  template <class T>
  DIVULGE_HD static T slope(T a) {
    return a > T(0) ? T(1) : T(0);
  }
  template <class T>
  DIVULGE_HD static T bend(T) {
    return T(0);
  }
};

struct Tanh {
  template <class T>
  DIVULGE_HD static T value(T z) {
    return std::tanh(z);
  }
  template <class T>
  DIVULGE_HD static T slope(T a) {
    return T(1) - a * a;
  }
  template <class T>
  DIVULGE_HD static T bend(T a) {
    return T(-2) * a;
  }
};

// What body(S{}) returns for the activation that `kind` names.
template <class Body>
DIVULGE_HD auto with_activation(Activation kind, const Body& body) {
  if (kind == Activation::relu) return body(Relu{});
  if (kind == Activation::tanh) return body(Tanh{});
  return body(Identity{});
}

}  // namespace kernels
}  // namespace divulge
