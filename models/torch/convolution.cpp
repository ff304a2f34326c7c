#include "models/torch/convolution.hpp"

#include <string_view>

#include <ATen/ATen.h>

#include "models/torch/channels_last.hpp"
#include "models/torch/extract.hpp"

#if EDDY_ONEDNN
#include <dnnl.hpp>
#endif

namespace eddy::torch_exec {

#if EDDY_ONEDNN

namespace {

using dnnl::memory;
using Tag = memory::format_tag;
constexpr auto f32 = memory::data_type::f32;

const dnnl::engine& processor() {
    static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    return engine;
}

dnnl::stream& stream() {
    static thread_local dnnl::stream stream(processor());
    return stream;
}

memory wrap(const memory::desc& desc, const at::Tensor& tensor) { return {desc, processor(), tensor.data_ptr()}; }

at::Tensor floats(int64_t count) { return at::empty({count}, at::TensorOptions().dtype(at::kFloat)); }

/// What a description takes, in floats.
at::Tensor room_for(const memory::desc& desc) { return floats(static_cast<int64_t>((desc.get_size() + 3) / 4)); }

dnnl::post_ops post_ops_of(const ConvolutionShape& shape) {
    dnnl::post_ops ops;
    if (shape.adds) ops.append_sum(1.0F);
    using dnnl::algorithm;
    switch (shape.activation) {
        case Activation::none: break;
        case Activation::relu: ops.append_eltwise(1.0F, algorithm::eltwise_relu, 0.0F, 0.0F); break;
        case Activation::relu6: ops.append_eltwise(1.0F, algorithm::eltwise_clip, 0.0F, 6.0F); break;
        case Activation::hardswish: ops.append_eltwise(1.0F, algorithm::eltwise_hardswish, 0.0F, 0.0F); break;
        case Activation::silu: ops.append_eltwise(1.0F, algorithm::eltwise_swish, 1.0F, 0.0F); break;
    }
    return ops;
}

memory::dims dims(const std::array<int64_t, 2>& pair) { return {pair[0], pair[1]}; }

dnnl::convolution_forward::primitive_desc plan(const ConvolutionShape& shape) {
    const memory::desc input({shape.batch, shape.channels, shape.rows, shape.columns}, f32, Tag::nhwc);
    const memory::desc output({shape.batch, shape.channels_out, shape.out(0), shape.out(1)}, f32, Tag::nhwc);
    memory::dims weight{shape.channels_out / shape.groups, shape.channels / shape.groups, shape.kernel[0],
                        shape.kernel[1]};
    if (shape.groups > 1) weight.insert(weight.begin(), shape.groups);
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(post_ops_of(shape));
    // Its own would belong to one thread.
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const dnnl::convolution_forward::desc wanted(
        dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, input,
        memory::desc(weight, f32, Tag::any), memory::desc({shape.channels_out}, f32, Tag::x), output,
        dims(shape.stride), {shape.dilation[0] - 1, shape.dilation[1] - 1}, dims(shape.before), dims(shape.behind));
    return {wanted, attributes, processor()};
}

}  // namespace

bool has_convolutions() { return use_onednn(); }

struct Convolution::Made {
    ConvolutionShape shape;
    dnnl::convolution_forward::primitive_desc plan;
    dnnl::convolution_forward primitive;
    at::Tensor no_bias;
};

Convolution::Convolution(std::unique_ptr<Made> made) : made_(std::move(made)) {}
Convolution::~Convolution() = default;

c10::intrusive_ptr<Convolution> Convolution::make(const ConvolutionShape& shape) {
    if (!has_convolutions()) return {};
    try {
        auto made = std::make_unique<Made>();
        made->shape = shape;
        made->plan = plan(shape);
        // Nested loops, or a product of matrices by nested loops: LibTorch has better.
        if (std::string_view(made->plan.impl_info_str()).find("ref") != std::string_view::npos) return {};
        made->primitive = dnnl::convolution_forward(made->plan);
        made->no_bias = at::zeros({shape.channels_out}, at::TensorOptions().dtype(at::kFloat));
        return c10::make_intrusive<Convolution>(std::move(made));
    } catch (const dnnl::error&) {
        return {};
    }
}

at::Tensor Convolution::pack(const at::Tensor& weight) const {
    const at::Tensor dense = weight.contiguous();
    const memory::desc wanted = made_->plan.weights_desc();
    const memory::dims sizes = wanted.dims();
    const at::Tensor packed = room_for(wanted);
    memory from = wrap({sizes, f32, sizes.size() == 5 ? Tag::goihw : Tag::oihw}, dense);
    memory to = wrap(wanted, packed);
    dnnl::reorder(from, to).execute(stream(), from, to);
    return packed;
}

at::Tensor Convolution::run(const at::Tensor& input, const at::Tensor& packed, const at::Tensor& bias,
                            const at::Tensor& sum) const {
    const ConvolutionShape& shape = made_->shape;
    TORCH_CHECK(input.sizes() == at::IntArrayRef({shape.batch, shape.channels, shape.rows, shape.columns}),
                "a convolution was made for another size than ", input.sizes());
    const at::Tensor laid = channels_last(input);
    const std::array<int64_t, 4> sizes{shape.batch, shape.channels_out, shape.out(0), shape.out(1)};
    const auto options = at::TensorOptions().dtype(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast);
    const at::Tensor made = shape.adds ? sum : at::empty(sizes, options);
    TORCH_CHECK(made.sizes() == at::IntArrayRef(sizes) && made.is_contiguous(at::MemoryFormat::ChannelsLast),
                "a convolution is added to a tensor of another shape or layout");
    const auto& plan = made_->plan;
    const at::Tensor scratchpad = room_for(plan.scratchpad_desc());
    made_->primitive.execute(stream(), {{DNNL_ARG_SRC, wrap(plan.src_desc(), laid)},
                                        {DNNL_ARG_WEIGHTS, wrap(plan.weights_desc(), packed)},
                                        {DNNL_ARG_BIAS, wrap(plan.bias_desc(), bias.defined() ? bias : made_->no_bias)},
                                        {DNNL_ARG_DST, wrap(plan.dst_desc(), made)},
                                        {DNNL_ARG_SCRATCHPAD, wrap(plan.scratchpad_desc(), scratchpad)}});
    return made;
}

#else  // LibTorch does it all

struct Convolution::Made {};
Convolution::Convolution(std::unique_ptr<Made> made) : made_(std::move(made)) {}
Convolution::~Convolution() = default;

bool has_convolutions() { return false; }
c10::intrusive_ptr<Convolution> Convolution::make(const ConvolutionShape&) { return {}; }
at::Tensor Convolution::pack(const at::Tensor& weight) const { return weight; }
at::Tensor Convolution::run(const at::Tensor& input, const at::Tensor&, const at::Tensor&, const at::Tensor&) const {
    return input;
}

#endif

}  // namespace eddy::torch_exec
