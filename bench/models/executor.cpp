// What the executor costs: the whole model against a bare loop over the same optimised graph (goal: >= 0.97 of its
// speed), and two runs of layers against the whole (goal: >= 0.95). Prints one JSON object.
//
//   bench_executor MODEL.pt … [--rounds N]
//
// The sides of a ratio run in turns, pair by pair, and the ratio is the median over the pairs, so that a change of the
// processor's speed meets both.
#include "models/torch/executor.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include "bench/models/measured.hpp"
#include "eddy/real_clock.hpp"
#include "models/torch/compile.hpp"

using namespace eddy;
using namespace eddy::torch_exec;

namespace {

constexpr uint64_t cache_bytes_max = uint64_t{2} << 30;

struct Pair {
    double ratio = 0;  ///< speed of the second relative to the first
    double first_ms = 0;
    double second_ms = 0;
};

Pair compare(int rounds, const std::function<void()>& first, const std::function<void()>& second) {
    const auto time_ms = [](const std::function<void()>& run) {
        const Instant start = real_now();
        run();
        return to_ms(real_now() - start);
    };
    for (int i = 0; i < 5; ++i) {
        first();
        second();
    }
    std::vector<double> ratios;
    std::vector<double> first_ms;
    std::vector<double> second_ms;
    for (int i = 0; i < rounds; ++i) {
        const bool swapped = i % 2 != 0;
        double a = swapped ? 0 : time_ms(first);
        const double b = time_ms(second);
        if (swapped) a = time_ms(first);
        first_ms.push_back(a);
        second_ms.push_back(b);
        ratios.push_back(a / b);
    }
    return {median(ratios), median(first_ms), median(second_ms)};
}

/// The border that divides the layers' work best, as a plan for two equal nodes would.
uint32_t middle(const Model& model) {
    uint64_t total = 0;
    for (const graph::Layer& layer : model.chain().layers()) total += layer.flops;
    uint64_t sum = 0;
    uint32_t border = 0;
    for (const graph::Layer& layer : model.chain().layers()) {
        if (border > 0 && (sum + layer.flops / 2) * 2 >= total) break;
        sum += layer.flops;
        ++border;
    }
    return border;
}

void bench(const std::string& path, int rounds, bool first_model) {
    const auto model = must(Model::load(path));
    const auto cache = std::make_shared<UnitCache>(model, cache_bytes_max);
    Executor executor(cache, {});
    const auto layers = static_cast<uint32_t>(model->chain().layers().size());
    const uint32_t cut = middle(*model);
    const Instant compile_start = real_now();
    must(executor.prepare(0, layers));
    const double compile_ms = to_ms(real_now() - compile_start);
    must(executor.prepare(0, cut));
    must(executor.prepare(cut, layers));
    must(executor.prepare_layers());

    const std::vector<HostTensor> frame{noise_frame(*model)};
    const c10::InferenceMode inference;
    torch::jit::getProfilingMode() = false;  // of the bare loop's own executor; Eddy's units do not use one
    const graph::ModelGraph& graph = model->graph();
    torch::jit::GraphExecutor bare(must(compile_graph(model->state(), unit_between(graph, 0, graph.cuts() - 1))),
                                   "bare");
    const at::Tensor pixels = at::from_blob(const_cast<std::byte*>(frame[0].bytes.data()), frame[0].meta.shape,
                                            at::TensorOptions().dtype(at::kByte));
    const auto run_bare = [&] {
        torch::jit::Stack stack{pixels};
        bare.run(stack);
    };
    const auto run_whole = [&] { must(executor.run(0, layers, frame)); };
    const auto run_two = [&] { must(executor.run(cut, layers, must(executor.run(0, cut, frame)).outputs)); };
    const auto run_layers = [&] { must(executor.run(0, layers, frame, /*measure=*/true)); };

    const Pair whole = compare(rounds, run_bare, run_whole);
    const Pair two = compare(rounds, run_whole, run_two);
    const Pair single = compare(rounds, run_whole, run_layers);
    std::printf(
        "%s\n  {\"model\": \"%s\", \"layers\": %u, \"compile_whole_ms\": %.1f, \"compiled_mb\": %.1f, \"weights_mb\": "
        "%.1f,\n"
        "   \"bare_ms\": %.3f, \"whole_ms\": %.3f, \"whole_ratio\": %.4f, \"whole_goal\": 0.97,\n"
        "   \"cut_at_layer\": %u, \"two_runs_ms\": %.3f, \"two_runs_ratio\": %.4f, \"two_runs_goal\": 0.95,\n"
        "   \"single_layers_ms\": %.3f, \"single_layers_ratio\": %.4f}",
        first_model ? "" : ",", model->file_name().c_str(), layers, compile_ms,
        static_cast<double>(executor.cache().bytes) / 1e6, static_cast<double>(model->weight_bytes()) / 1e6,
        whole.first_ms, whole.second_ms, whole.ratio, cut, two.second_ms, two.ratio, single.second_ms, single.ratio);
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> paths;
    int rounds = 60;
    for (int i = 1; i < argc; ++i) {
        if (std::string(argv[i]) == "--rounds" && i + 1 < argc)
            rounds = std::max(std::atoi(argv[++i]), 1);
        else
            paths.emplace_back(argv[i]);
    }
    if (paths.empty()) {
        std::fprintf(stderr,
                     "usage: bench_executor MODEL.pt … [--rounds N]\n"
                     "example: bench_executor build/models/ssdlite_mobilenet_v2_coco.pt\n");
        return 2;
    }
    std::printf(
        "{\"schema\": \"eddy.bench/1\", \"bench\": \"executor\", \"device\": \"%s\", \"rounds\": %d, \"models\": [",
        device_description().c_str(), rounds);
    for (size_t i = 0; i < paths.size(); ++i) bench(paths[i], rounds, i == 0);
    std::printf("\n]}\n");
    return 0;
}
