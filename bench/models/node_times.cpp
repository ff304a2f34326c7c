#include "bench/models/node_times.hpp"

#include <algorithm>
#include <ctime>
#include <unordered_map>

#include <ATen/ATen.h>
#include <torch/csrc/jit/ir/constants.h>

namespace eddy::bench {

namespace {

using torch::jit::Node;
using torch::jit::Value;

double thread_us() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

std::string name_of(const Node* node) {
    std::string name = node->kind().toQualString();
    if (name.find("conv") == std::string::npos || node->inputs().size() < 2) return name;
    if (const auto weight = torch::jit::toIValue(node->inputs()[1]); weight && weight->isTensor())
        name += " " + std::to_string(weight->toTensor().size(-2)) + "x" + std::to_string(weight->toTensor().size(-1));
    return name;
}

/// One node with what it takes, ready to be run.
struct Step {
    const Node* node;
    torch::jit::Operation run;
    bool takes_any = false;  ///< number of inputs: it is told how many
    std::vector<double> us;
};

class Loop {
public:
    explicit Loop(const torch::jit::Graph& graph) : graph_(graph) {
        for (const Node* node : graph.nodes())
            if (node->kind() == c10::prim::Constant)
                constants_[node->output()] = *torch::jit::toIValue(node->output());
            else if (node->kind() == c10::prim::ListConstruct)
                steps_.push_back({node, &list, false, {}});
            else
                steps_.push_back({node,
                                  node->getOperation(),
                                  node->getOperator().schema().is_vararg() && node->getOperator().hasOperation(),
                                  {}});
    }

    void run(const std::vector<c10::IValue>& inputs, bool counts) {
        std::unordered_map<const Value*, c10::IValue> values = constants_;
        for (size_t i = 0; i < inputs.size(); ++i) values[graph_.inputs()[i]] = inputs[i];
        std::unordered_map<const Value*, size_t> uses;
        for (const Step& step : steps_)
            for (const Value* input : step.node->inputs()) ++uses[input];
        for (Step& step : steps_) {
            torch::jit::Stack stack;
            for (const Value* input : step.node->inputs()) {
                stack.push_back(values.at(input));
                // As the interpreter does: memory that is read no more is free for the next.
                if (--uses[input] == 0 && constants_.count(input) == 0) values.erase(input);
            }
            if (step.takes_any) stack.emplace_back(static_cast<int64_t>(stack.size()));
            const double start = thread_us();
            step.run(stack);
            if (counts) step.us.push_back(thread_us() - start);
            for (size_t i = 0; i < stack.size(); ++i) values[step.node->outputs()[i]] = std::move(stack[i]);
        }
    }

    /// The interpreter does this by itself.
    static void list(torch::jit::Stack& stack) {
        c10::List<at::Tensor> tensors;
        for (const c10::IValue& value : stack) tensors.push_back(value.toTensor());
        stack.clear();
        stack.emplace_back(std::move(tensors));
    }

    [[nodiscard]] NodeTimes times() {
        NodeTimes all;
        for (Step& step : steps_) {
            std::sort(step.us.begin(), step.us.end());
            NodeTime& time = all[name_of(step.node)];
            time.us += step.us[step.us.size() / 2];
            ++time.nodes;
        }
        return all;
    }

private:
    const torch::jit::Graph& graph_;
    std::unordered_map<const Value*, c10::IValue> constants_;
    std::vector<Step> steps_;
};

}  // namespace

NodeTimes node_times(const torch::jit::Graph& graph, const std::vector<c10::IValue>& inputs, int rounds) {
    Loop loop(graph);
    for (int round = -2; round < rounds; ++round) loop.run(inputs, round >= 0);
    return loop.times();
}

void add(NodeTimes& to, const NodeTimes& more) {
    for (const auto& [name, time] : more) {
        to[name].us += time.us;
        to[name].nodes += time.nodes;
    }
}

}  // namespace eddy::bench
