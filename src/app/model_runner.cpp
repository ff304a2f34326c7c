#include "src/app/model_runner.hpp"

#include "models/postprocess/postprocess.hpp"

namespace eddy::app {

namespace {

class ModelRunner final : public Runner {
public:
    ModelRunner(std::unique_ptr<engine::Executor> executor, ModelCard card)
        : executor_(std::move(executor)), card_(std::move(card)) {}

    Result<RunOutput> run(UnitRange units, std::span<const HostTensor> inputs, bool ends_model) override {
        auto outputs = executor_->run(units.first, units.last, inputs);
        if (!outputs) return outputs.error();
        RunOutput output;
        if (!ends_model) {
            output.outputs = std::move(*outputs);
            return output;
        }
        auto inference = postprocess::interpret(card_, *outputs);
        if (!inference) return inference.error();
        output.inference = std::move(*inference);
        return output;
    }

private:
    std::unique_ptr<engine::Executor> executor_;
    ModelCard card_;
};

}  // namespace

std::unique_ptr<Runner> make_model_runner(std::unique_ptr<engine::Executor> executor, ModelCard card) {
    return std::make_unique<ModelRunner>(std::move(executor), std::move(card));
}

}  // namespace eddy::app
