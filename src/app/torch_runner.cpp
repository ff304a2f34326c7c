#include "src/app/torch_runner.hpp"

#include "models/postprocess/postprocess.hpp"

namespace eddy::app {

namespace {

class TorchRunner final : public Runner {
public:
    TorchRunner(std::shared_ptr<torch_exec::UnitCache> cache, uint32_t threads)
        : executor_(std::move(cache), {.threads = threads}) {}

    Result<RunOutput> run(UnitRange units, std::span<const HostTensor> inputs, bool ends_model) override {
        auto result = executor_.run(units.first, units.last, inputs);
        if (!result) return result.error();
        RunOutput output;
        if (!ends_model) {
            output.outputs = std::move(result->outputs);
            return output;
        }
        auto inference = postprocess::interpret(executor_.model().card(), result->outputs);
        if (!inference) return inference.error();
        output.inference = std::move(*inference);
        return output;
    }

private:
    torch_exec::Executor executor_;
};

}  // namespace

std::unique_ptr<Runner> make_torch_runner(std::shared_ptr<torch_exec::UnitCache> cache, uint32_t threads) {
    return std::make_unique<TorchRunner>(std::move(cache), threads);
}

}  // namespace eddy::app
