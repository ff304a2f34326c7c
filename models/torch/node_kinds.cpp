#include "models/torch/node_kinds.hpp"

#include <set>
#include <string_view>

namespace eddy::torch_exec {

using torch::jit::Node;

bool only_asks_for_shape(const Node* node) {
    static const std::set<std::string_view> names{"aten::size",
                                                  "aten::dim",
                                                  "aten::len",
                                                  "aten::numel",
                                                  "aten::stride",
                                                  "aten::__is__",
                                                  "aten::__isnot__",
                                                  "aten::is_floating_point",
                                                  "aten::is_complex",
                                                  "aten::is_contiguous",
                                                  "aten::get_device",
                                                  "aten::new_zeros",
                                                  "aten::new_ones",
                                                  "aten::new_full",
                                                  "aten::zeros_like",
                                                  "aten::ones_like",
                                                  "aten::full_like",
                                                  "prim::dtype",
                                                  "prim::device",
                                                  "prim::layout",
                                                  "prim::is_cuda",
                                                  "prim::is_sparse",
                                                  "prim::is_quantized",
                                                  "prim::is_mkldnn",
                                                  "prim::is_meta",
                                                  "prim::requires_grad",
                                                  "prim::isinstance",
                                                  "aten::requires_grad",
                                                  "aten::_shape_as_tensor",
                                                  "aten::is_cuda"};
    return names.count(node->kind().toQualString()) != 0;
}

bool is_ignored(const Node* node) {
    static const std::set<std::string_view> names{"prim::Print", "aten::warn", "prim::profile", "prim::TimePoint"};
    return names.count(node->kind().toQualString()) != 0;
}

bool is_idle_dropout(const Node* node, const std::vector<Symbolic>& inputs) {
    static const std::set<std::string_view> names{"aten::dropout", "aten::dropout_", "aten::feature_dropout",
                                                  "aten::feature_dropout_", "aten::alpha_dropout"};
    if (names.count(node->kind().toQualString()) == 0 || inputs.size() != 3) return false;
    const c10::IValue probability = concrete(inputs[1]);
    const c10::IValue training = concrete(inputs[2]);
    return (training.isBool() && !training.toBool()) || (probability.isDouble() && probability.toDouble() == 0);
}

std::string module_path(const Node* node) {
    std::string path;
    if (const auto stack = node->callstack()) {
        for (const auto& [function, range, instance] : (*stack)->vec()) {
            if (!instance || instance->instance_name().empty() || instance->instance_name() == "SELF") continue;
            path += (path.empty() ? "" : ".") + instance->instance_name();
        }
    }
    if (path.empty()) {
        path = node->scopeName();
        path.erase(0, path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1);
        for (const std::string_view prefix : {"__module.", "::"})
            if (path.rfind(prefix, 0) == 0) path.erase(0, prefix.size());
    }
    return path;
}

std::string describe(const Node* node) {
    std::string text = node->kind().toQualString();
    if (const std::string path = module_path(node); !path.empty()) text += " at " + path;
    if (const auto place = node->sourceRange().file_line_col()) {
        const auto& [file, line, column] = *place;
        text += " (" + file + ":" + std::to_string(line) + ")";
    }
    return text;
}

}  // namespace eddy::torch_exec
