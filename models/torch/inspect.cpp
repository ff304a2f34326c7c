#include "models/torch/inspect.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace eddy::torch_exec {

namespace {

using nlohmann::json;

const char* task_name(Task task) {
    switch (task) {
        case Task::classify: return "classify";
        case Task::detect: return "detect";
        case Task::raw: return "raw";
    }
    return "raw";
}

std::string shape_text(const TensorMeta& meta) {
    static constexpr const char* names[] = {"u8", "f32", "i64", "i32", "f16", "bool", "f64"};
    return fmt::format("{}[{}]", names[static_cast<size_t>(meta.dtype)], fmt::join(meta.shape, ","));
}

std::string frontier_text(const Model& model, uint32_t border) {
    std::string text;
    for (const ValueId id : model.graph().frontier(model.chain().cut(border)))
        text += (text.empty() ? "" : " ") + shape_text(model.graph().value(id).meta);
    return text;
}

struct Totals {
    uint64_t parameters = 0;
    uint64_t flops = 0;
    double time_ms = 0;
};

Totals add_up(const ModelProfile& costs) {
    Totals totals;
    for (const LayerProfile& layer : costs.layers) {
        totals.parameters += layer.parameters;
        totals.flops += layer.flops;
        totals.time_ms += to_ms(layer.time);
    }
    return totals;
}

uint32_t legal_cuts(const graph::ModelGraph& graph) {
    uint32_t count = 0;
    for (uint32_t cut = 0; cut < graph.cuts(); ++cut) count += graph::legal_cut(graph, cut) ? 1 : 0;
    return count;
}

}  // namespace

std::string inspect_text(const Model& model, const ModelProfile* profile) {
    const ModelProfile costs = profile != nullptr ? *profile : model.costs();
    const ModelCard& card = model.card();
    const Totals totals = add_up(costs);
    std::string text = fmt::format("{}: {} ({}), frame {} x {}, {} labels\n", model.file_name(), card.name,
                                   task_name(card.task), card.width, card.height, card.labels.size());
    text += fmt::format("model {}\nchain {}\n", to_string(model.model_hash()), to_string(model.chain_hash()));
    text +=
        fmt::format("{} operators, {} legal cuts, {} layers, {:.1f} MB of weights\n", model.graph().operators().size(),
                    legal_cuts(model.graph()), costs.layers.size(), static_cast<double>(model.weight_bytes()) / 1e6);
    if (profile != nullptr) text += fmt::format("measured on {}\n", profile->device);
    text += fmt::format("\n{:>5}  {:>10}  {:>9}  {:>11}  {}{}\n", "layer", "parameters", "MFLOP", "input bytes",
                        profile != nullptr ? "  time ms  " : "", "input -> heaviest operator");
    for (size_t l = 0; l < costs.layers.size(); ++l) {
        const LayerProfile& layer = costs.layers[l];
        text += fmt::format("{:>5}  {:>10}  {:>9.2f}  {:>11}  ", l, layer.parameters,
                            static_cast<double>(layer.flops) / 1e6, layer.frontier_bytes);
        if (profile != nullptr) text += fmt::format("{:>9.3f}  ", to_ms(layer.time));
        text += fmt::format("{} -> {}\n", frontier_text(model, static_cast<uint32_t>(l)), layer.name);
    }
    text += fmt::format("total  {:>10}  {:>9.2f}  {:>11}  ", totals.parameters, static_cast<double>(totals.flops) / 1e6,
                        "");
    if (profile != nullptr) text += fmt::format("{:>9.3f}  ", totals.time_ms);
    text += fmt::format("gives {}\n", frontier_text(model, static_cast<uint32_t>(costs.layers.size())));
    if (profile != nullptr) text += fmt::format("gamma {:.3g} s per parameter\n", profile->gamma_s_per_parameter());
    return text;
}

std::string inspect_json(const Model& model, const ModelProfile* profile) {
    const ModelProfile costs = profile != nullptr ? *profile : model.costs();
    const Totals totals = add_up(costs);
    json layers = json::array();
    for (size_t l = 0; l < costs.layers.size(); ++l) {
        const LayerProfile& layer = costs.layers[l];
        json entry = {{"layer", l},
                      {"name", layer.name},
                      {"parameters", layer.parameters},
                      {"weight_bytes", layer.weight_bytes},
                      {"flops", layer.flops},
                      {"frontier_bytes", layer.frontier_bytes},
                      {"frontier_tensors", layer.frontier_tensors},
                      {"frontier", frontier_text(model, static_cast<uint32_t>(l))}};
        if (profile != nullptr) entry["time_ms"] = to_ms(layer.time);
        layers.push_back(std::move(entry));
    }
    const ModelCard& card = model.card();
    json object = {{"schema", "eddy.inspect/1"},
                   {"model", model.file_name()},
                   {"name", card.name},
                   {"task", task_name(card.task)},
                   {"height", card.height},
                   {"width", card.width},
                   {"labels", card.labels.size()},
                   {"model_hash", to_string(model.model_hash())},
                   {"chain_hash", to_string(model.chain_hash())},
                   {"operators", model.graph().operators().size()},
                   {"legal_cuts", legal_cuts(model.graph())},
                   {"weight_bytes", model.weight_bytes()},
                   {"parameters", totals.parameters},
                   {"flops", totals.flops},
                   {"layers", std::move(layers)}};
    if (profile != nullptr) {
        object["device"] = profile->device;
        object["time_ms"] = totals.time_ms;
        object["gamma_s_per_parameter"] = profile->gamma_s_per_parameter();
    }
    return object.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace eddy::torch_exec
