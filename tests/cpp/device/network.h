#pragma once

#include <memory>
#include <vector>

#include "core/network/network.h"
#include "device/memory.h"
#include "kernels/network_view.h"

namespace divulge::test {

// Networks of one shape on the device.
template <class T>
class DeviceNetwork {
 public:
  explicit DeviceNetwork(const std::vector<DenseNetwork<T>>& nets) {
    view_.count = static_cast<unsigned>(nets[0].depth() + 1);
    for (unsigned l = 0; l < view_.count; ++l) {
      std::vector<T> weights, biases;
      for (const DenseNetwork<T>& net : nets) {
        weights.insert(weights.end(), net.layer(l).weight.begin(), net.layer(l).weight.end());
        biases.insert(biases.end(), net.layer(l).bias.begin(), net.layer(l).bias.end());
      }
      arrays_.push_back(std::make_unique<memory::Device<T>>(weights));
      const T* on_weights = arrays_.back()->data();
      arrays_.push_back(std::make_unique<memory::Device<T>>(biases));
      const Layer<T>& layer = nets[0].layer(l);
      view_.layers[l] = {on_weights, arrays_.back()->data(), static_cast<unsigned>(layer.inputs),
                         static_cast<unsigned>(layer.outputs)};
    }
  }

  const kernels::NetworkView<T>& view() const { return view_; }

 private:
  std::vector<std::unique_ptr<memory::Device<T>>> arrays_;
  kernels::NetworkView<T> view_;
};

}  // namespace divulge::test
