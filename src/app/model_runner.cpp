#include "src/app/model_runner.hpp"

#include "models/postprocess/postprocess.hpp"

namespace eddy::app {

namespace {

class ModelRunner final : public Runner {
public:
    ModelRunner(std::unique_ptr<engine::Executor> executor, ModelCard card, std::shared_ptr<const RowUnits> rows)
        : executor_(std::move(executor)), card_(std::move(card)), rows_(std::move(rows)) {}

    Result<RunOutput> run(UnitRange units, std::span<const HostTensor> inputs, bool ends_model) override {
        auto outputs = units.plan == PlanId{} ? executor_->run(units.first, units.last, inputs) : by_rows(units, inputs);
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
    Result<std::vector<HostTensor>> by_rows(UnitRange units, std::span<const HostTensor> inputs) {
        const auto job = rows_ ? rows_->find(units.plan, units.first) : nullptr;
        if (!job) return unavailable("the plan is over");
        if (job->order.kind == UnitOrder::Kind::capture) return rows_->captured(job->order, inputs);
        if (job->order.kind == UnitOrder::Kind::result) return rows_->outputs(inputs);
        auto made = executor_->run(*job->unit, inputs);
        if (!made) return made.error();
        return rows_->divided(job->order, *made);
    }

    std::unique_ptr<engine::Executor> executor_;
    ModelCard card_;
    std::shared_ptr<const RowUnits> rows_;
};

}  // namespace

std::unique_ptr<Runner> make_model_runner(std::unique_ptr<engine::Executor> executor, ModelCard card,
                                          std::shared_ptr<const RowUnits> rows) {
    return std::make_unique<ModelRunner>(std::move(executor), std::move(card), std::move(rows));
}

}  // namespace eddy::app
