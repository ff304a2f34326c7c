#include "reference.hpp"

#include <cstring>

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

namespace eddy::test {

namespace {

HostTensor to_host(const at::Tensor& tensor) {
    const at::Tensor dense = tensor.contiguous();
    HostTensor host;
    host.meta.dtype = dense.scalar_type() == at::kFloat ? DType::f32 : DType::i64;
    host.meta.shape = dense.sizes().vec();
    auto bytes = allocate_bytes(dense.nbytes());
    std::memcpy(bytes.get(), dense.data_ptr(), dense.nbytes());
    host.bytes = {std::move(bytes), dense.nbytes()};
    return host;
}

void unfold(const c10::IValue& value, std::vector<HostTensor>& out) {
    if (value.isTensor())
        out.push_back(to_host(value.toTensor()));
    else if (value.isTuple())
        for (const auto& item : value.toTupleRef().elements()) unfold(item, out);
    else if (value.isList())
        for (const c10::IValue& item : value.toListRef()) unfold(item, out);
    else if (value.isGenericDict())
        for (const auto& entry : value.toGenericDict()) unfold(entry.value(), out);
}

}  // namespace

std::vector<HostTensor> reference_forward(const std::string& path, const ModelCard& card, const HostTensor& frame) {
    const at::AutoDispatchBelowADInplaceOrView no_grad;
    torch::jit::Module module = torch::jit::load(path);
    module.eval();
    auto* data = const_cast<std::byte*>(frame.bytes.data());
    const at::Tensor pixels =
        at::from_blob(data, frame.meta.shape, at::TensorOptions().dtype(at::kByte)).to(at::kFloat);
    const at::Tensor mean = at::tensor(at::ArrayRef<float>(card.mean.data(), 3));
    const at::Tensor std = at::tensor(at::ArrayRef<float>(card.std.data(), 3));
    const at::Tensor input = ((pixels / 255 - mean) / std).permute({2, 0, 1}).unsqueeze(0).contiguous();
    std::vector<HostTensor> out;
    unfold(module.forward({input}), out);
    return out;
}

void allow_onednn(bool allowed) { at::globalContext().setUserEnabledMkldnn(allowed); }

}  // namespace eddy::test
