#include "models/graph/chain.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

#include "models/graph/costs.hpp"

namespace eddy::graph {

namespace {

/// A stretch without borders that does more than 1/24 of the model's work is divided if it can be.
constexpr uint64_t stretch_share = 24;
/// A layer that does less than 1/200 of the work is worth a message only if its border is the cheaper one.
constexpr uint64_t sliver_share = 200;

class Deriver {
public:
    explicit Deriver(const ModelGraph& graph) : graph_(graph), before_(graph.cuts(), 0) {
        for (uint32_t i = 0; i < graph.operators().size(); ++i)
            before_[i + 1] = before_[i] + graph.operators()[i].flops;
    }

    std::vector<uint32_t> derive(uint32_t layers_limit) {
        const uint32_t end = graph_.cuts() - 1;
        std::vector<uint32_t> borders{0};
        if (graph_.operators()[0].kind == "eddy::normalise" && end > 1) borders.push_back(1);
        fixed_ = static_cast<uint32_t>(borders.size());
        for (uint32_t cut = borders.back() + 1; cut < end; ++cut)
            if (graph_.frontier_tensors(cut) == 1 && may_be_border(cut)) borders.push_back(cut);
        borders.push_back(end);
        drop_slivers(borders);
        std::vector<uint32_t> divided{borders.front()};
        for (size_t i = 1; i < borders.size(); ++i) {
            if (i >= fixed_) divide(borders[i - 1], borders[i], divided);
            divided.push_back(borders[i]);
        }
        join_until(divided, std::max(layers_limit, fixed_));
        return divided;
    }

private:
    [[nodiscard]] uint64_t flops(uint32_t first, uint32_t last) const { return before_[last] - before_[first]; }

    [[nodiscard]] bool may_be_border(uint32_t cut) const {
        const Operator& next = graph_.operators()[cut];
        return legal_cut(graph_, cut) && !fuses_with_producer(next) && !moves_data_only(next);
    }

    void drop_slivers(std::vector<uint32_t>& borders) const {
        for (size_t i = fixed_; i + 1 < borders.size();) {
            const uint32_t here = borders[i];
            const uint32_t next = borders[i + 1];
            const bool sliver = flops(here, next) * sliver_share < before_.back();
            const bool last = i + 2 == borders.size();
            if (!sliver) {
                ++i;
            } else if (last || graph_.frontier_bytes(here) >= graph_.frontier_bytes(next)) {
                borders.erase(borders.begin() + static_cast<ptrdiff_t>(i));
                if (last) break;
                if (i > fixed_) --i;  // what lay before the erased border now reaches further
            } else {
                borders.erase(borders.begin() + static_cast<ptrdiff_t>(i) + 1);
            }
        }
    }

    /// Borders strictly between two cuts, appended in order. Each division leaves both sides with at least 1/8 of the
    /// work if it can, so the depth is bounded by the work's logarithm; otherwise by the number of operators.
    void divide(uint32_t first, uint32_t last, std::vector<uint32_t>& out) const {
        std::vector<std::pair<uint32_t, uint32_t>> stack{{first, last}};
        std::vector<uint32_t> found;
        while (!stack.empty()) {
            const auto [a, b] = stack.back();
            stack.pop_back();
            if (flops(a, b) * stretch_share <= before_.back()) continue;
            const uint32_t cut = best_division(a, b);
            if (cut == a) continue;
            found.push_back(cut);
            stack.emplace_back(a, cut);
            stack.emplace_back(cut, b);
        }
        std::sort(found.begin(), found.end());
        out.insert(out.end(), found.begin(), found.end());
    }

    [[nodiscard]] uint32_t best_division(uint32_t first, uint32_t last) const {
        using Key = std::tuple<uint32_t, uint64_t, uint64_t>;
        Key best{std::numeric_limits<uint32_t>::max(), 0, 0};
        uint32_t chosen = first;
        const uint64_t work = flops(first, last);
        for (uint32_t cut = first + 1; cut < last; ++cut) {
            if (!may_be_border(cut)) continue;
            const uint64_t smaller = std::min(flops(first, cut), flops(cut, last));
            if (smaller * 8 < work) continue;
            const Key key{graph_.frontier_tensors(cut), graph_.frontier_bytes(cut), work - smaller};
            if (key < best) {
                best = key;
                chosen = cut;
            }
        }
        return chosen;
    }

    void join_until(std::vector<uint32_t>& borders, uint32_t layers_limit) const {
        while (borders.size() - 1 > layers_limit) {
            size_t cheapest = 0;
            uint64_t least = std::numeric_limits<uint64_t>::max();
            for (size_t i = fixed_; i + 1 < borders.size(); ++i)
                if (const uint64_t joined = flops(borders[i - 1], borders[i + 1]); joined < least) {
                    least = joined;
                    cheapest = i;
                }
            if (cheapest == 0) return;
            borders.erase(borders.begin() + static_cast<ptrdiff_t>(cheapest));
        }
    }

    const ModelGraph& graph_;
    std::vector<uint64_t> before_;  ///< by cut: work of all operators before it
    uint32_t fixed_ = 1;            ///< borders that must stay: the first cut, and that after the normalisation
};

Layer make_layer(const ModelGraph& graph, uint32_t first, uint32_t last) {
    Layer layer;
    layer.first = first;
    layer.last = last;
    const Operator* heaviest = &graph.operators()[first];
    for (uint32_t i = first; i < last; ++i) {
        const Operator& op = graph.operators()[i];
        layer.parameters += op.parameters;
        layer.weight_bytes += op.weight_bytes;
        layer.flops += op.flops;
        if (op.flops > heaviest->flops) heaviest = &op;
    }
    const auto colons = heaviest->kind.rfind(':');
    layer.name = heaviest->kind.substr(colons == std::string::npos ? 0 : colons + 1);
    if (!heaviest->place.empty()) layer.name += " " + heaviest->place;
    if (layer.name.size() > name_bytes_max) layer.name.resize(name_bytes_max);
    return layer;
}

void append(std::string& text, const std::vector<int64_t>& numbers) {
    text += '[';
    for (size_t i = 0; i < numbers.size(); ++i) text += (i == 0 ? "" : ",") + std::to_string(numbers[i]);
    text += ']';
}

}  // namespace

bool legal_cut(const ModelGraph& graph, uint32_t cut) {
    return graph.frontier_tensors(cut) <= frontier_tensors_max && graph.frontier_bytes(cut) <= work_bytes_max;
}

Chain Chain::derive(const ModelGraph& graph, uint32_t layers_limit) {
    const std::vector<uint32_t> borders = Deriver(graph).derive(std::min(layers_limit, layers_max));
    Chain chain;
    for (size_t i = 1; i < borders.size(); ++i) chain.layers_.push_back(make_layer(graph, borders[i - 1], borders[i]));
    return chain;
}

std::string describe_chain(const ModelGraph& graph, const Chain& chain) {
    std::string text = "eddy.chain/1\n";
    for (size_t l = 0; l < chain.layers().size(); ++l) {
        const Layer& layer = chain.layers()[l];
        text += "layer " + std::to_string(l) + " needs";
        for (const ValueId id : graph.frontier(layer.first)) text += " " + std::to_string(id.value);
        text += '\n';
        for (uint32_t i = layer.first; i < layer.last; ++i) {
            const Operator& op = graph.operators()[i];
            text += op.kind;
            for (const ValueId id : op.inputs) text += " " + std::to_string(id.value);
            text += " ->";
            for (const ValueId id : op.outputs) {
                text +=
                    " " + std::to_string(id.value) + ":" + std::to_string(static_cast<int>(graph.value(id).meta.dtype));
                append(text, graph.value(id).meta.shape);
            }
            for (const auto& [name, numbers] : op.attributes) append(text += " " + name, numbers);
            for (const Parameter& weight : op.weights) append(text += " " + weight.name, weight.shape);
            text += '\n';
        }
    }
    text += "gives";
    for (const ValueId id : graph.outputs()) text += " " + std::to_string(id.value);
    return text + "\n";
}

std::vector<LayerProfile> layer_costs(const ModelGraph& graph, const Chain& chain) {
    std::vector<LayerProfile> costs;
    costs.reserve(chain.layers().size());
    for (const Layer& layer : chain.layers()) {
        LayerProfile cost;
        cost.name = layer.name;
        cost.parameters = layer.parameters;
        cost.flops = layer.flops;
        cost.weight_bytes = layer.weight_bytes;
        cost.frontier_bytes = graph.frontier_bytes(layer.first);
        cost.frontier_tensors = graph.frontier_tensors(layer.first);
        costs.push_back(std::move(cost));
    }
    return costs;
}

}  // namespace eddy::graph
