#include "models/torch/row_profiler.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <numeric>
#include <set>
#include <string>

#include "eddy/real_clock.hpp"
#include "eddy/tensor_rows.hpp"
#include "models/torch/measuring.hpp"
#include "models/torch/unit.hpp"

namespace eddy::torch_exec {

namespace {

using graph::RowRange;
using graph::RowStep;
using graph::ValueRows;
using UnitPtr = std::shared_ptr<const Unit>;

/// The clock counts microseconds: short steps are run several times for one sample.
constexpr double sample_us_least = 200;
constexpr uint32_t runs_max = 64;

double to_us(Usec time) { return static_cast<double>(time.count()); }
Rows rows_of(RowRange range) { return {static_cast<uint32_t>(range.begin), static_cast<uint32_t>(range.end)}; }

/// One step made of one number of rows.
struct Measured {
    int64_t rows = 0;
    UnitPtr unit;
    uint32_t runs = 1;
    std::vector<double> samples_us;
};

class RowProfiler {
public:
    RowProfiler(std::shared_ptr<const Model> model, const engine::ProfileOptions& options)
        : model_(std::move(model)), graph_(model_->graph()), options_(options) {}

    Result<RowProfile> run() {
        const std::vector<RowStep> steps = graph::row_steps(graph_, model_->row_rules());
        until_ = real_now() + from_seconds(options_.seconds_max);
        auto whole = Unit::compile(model_, unit_between(graph_, 0, graph_.cuts() - 1));
        if (!whole) return whole.error();
        whole_ = *whole;
        frame_ = {noise_frame(*model_)};
        values_ = {{ValueId{0}, frame_.front()}};
        find_last_uses();
        RowProfile profile;
        profile.model = model_->file_name();
        profile.device = measured_device(options_.threads);
        profile.model_hash = model_->model_hash();
        const size_t every = std::max<size_t>(1, steps.size() / std::max(options_.repeats, 1U));
        for (size_t i = 0; i < steps.size(); ++i) {
            if (i % every == 0)
                if (auto timed = time_whole(); !timed) return timed.error();
            auto times = measure(steps[i], steps.size() - i);
            if (!times) return times.error();
            profile.steps.push_back(*std::move(times));
        }
        scale(profile);
        if (units_run_ > 0) profile.unit_us = in_one_us_ / units_run_;
        if (gathered_bytes_ > 0) profile.gather_us_per_byte = std::max(0.0, in_two_us_ - in_one_us_) / gathered_bytes_;
        return profile;
    }

private:
    void find_last_uses() {
        for (uint32_t op = 0; op < graph_.operators().size(); ++op)
            for (const ValueId id : graph_.operators()[op].inputs) last_use_[id] = op;
    }

    Status time_whole() {
        auto time = whole_->time_operators(frame_, 1);
        if (!time) return time.error();
        // The first run after compiling is a slow one.
        if (!warm_) time = whole_->time_operators(frame_, 1);
        warm_ = true;
        if (!time) return time.error();
        whole_us_.push_back(to_us(*time));
        return success();
    }

    [[nodiscard]] std::vector<ValueRows> outputs_of(const RowStep& step, int64_t rows) const {
        std::vector<uint32_t> operators(step.last - step.first);
        std::iota(operators.begin(), operators.end(), step.first);
        const int64_t first = (step.rows - rows) / 2;
        std::vector<ValueRows> wanted;
        for (const ValueId id : graph_.boundary_of(operators).outputs)
            wanted.push_back({id, step.kind == RowStep::Kind::whole ? RowRange{0, row_count(graph_.value(id))}
                                                                    : RowRange{first, first + rows}});
        return wanted;
    }

    Result<Measured> prepare(const RowStep& step, int64_t rows) {
        auto spec = row_unit(graph_, model_->row_rules(), step.first, step.last, outputs_of(step, rows));
        if (!spec) return spec.error();
        auto unit = Unit::compile(model_, *std::move(spec));
        if (!unit) return unit.error();
        return Measured{rows, *std::move(unit), 1, {}};
    }

    [[nodiscard]] std::vector<HostTensor> inputs_of(const Unit& unit) const {
        std::vector<HostTensor> inputs;
        for (const ValueId id : unit.spec().inputs) inputs.push_back(values_.at(id));
        return inputs;
    }

    Result<StepTimes> measure(const RowStep& step, size_t steps_left) {
        StepTimes times{step.first, step.last, {}};
        const Instant until = real_now() + (until_ - real_now()) / static_cast<int64_t>(steps_left);
        std::vector<Measured> kinds;
        for (const int64_t rows : measured_rows(step)) {
            auto prepared = prepare(step, rows);
            if (!prepared) return prepared.error();
            kinds.push_back(*std::move(prepared));
        }
        const std::vector<HostTensor> inputs = inputs_of(*kinds.back().unit);
        const uint32_t rounds = options_.warm_up + std::max(options_.repeats, 1U);
        bool late = false;
        for (uint32_t round = 0; round < rounds && !late; ++round) {
            // All numbers of rows in turns, so that stolen time and a change of the processor's speed meet all.
            for (Measured& each : kinds)
                if (auto sampled = sample(each, inputs); !sampled) return sampled.error();
            late = real_now() > until;
            if (round < options_.warm_up && !late)
                for (Measured& each : kinds) each.samples_us.clear();
            else if (auto noted = note_around(step, kinds[kinds.size() / 2]); !noted)
                return noted.error();
        }
        for (const Measured& each : kinds)
            times.times.push_back({static_cast<uint32_t>(each.rows), median(each.samples_us)});
        if (auto made = go_on(step, *kinds.back().unit, inputs); !made) return made.error();
        return times;
    }

    static Status sample(Measured& kind, const std::vector<HostTensor>& inputs) {
        const auto time = kind.unit->time_operators(inputs, kind.runs);
        if (!time) return time.error();
        const double each_us = to_us(*time) / kind.runs;
        kind.samples_us.push_back(each_us);
        kind.runs = std::clamp(static_cast<uint32_t>(sample_us_least / std::max(each_us, 1.0)) + 1, 1U, runs_max);
        return success();
    }

    /// What the unit takes beside its operators if each input comes in one piece, and if in two.
    Status note_around(const RowStep& step, const Measured& kind) {
        if (step.kind != RowStep::Kind::rows) return success();
        std::vector<HostTensor> ones;
        std::vector<HostTensor> twos;
        uint64_t bytes = 0;
        const UnitSpec& spec = kind.unit->spec();
        for (size_t i = 0; i < spec.inputs.size(); ++i) {
            const HostTensor& all = values_.at(spec.inputs[i]);
            Rows rows{0, row_layout(all.meta)->rows};
            if (!spec.rows.everything()) rows = rows_of(spec.rows.inputs[i]);
            if (rows.end - rows.begin < 2) return success();
            const uint32_t middle = (rows.begin + rows.end) / 2;
            for (const Rows part : {rows, Rows{rows.begin, middle}, Rows{middle, rows.end}}) {
                auto piece = take_rows(all.meta, all, part);
                if (!piece) return piece.error();
                (part == rows ? ones : twos).push_back(*std::move(piece));
            }
            bytes += ones.back().bytes.size();
        }
        for (const auto& [pieces, sum_us] : {std::pair{&ones, &in_one_us_}, std::pair{&twos, &in_two_us_}}) {
            Usec around{};
            if (auto made = kind.unit->run(*pieces, &around); !made) return made.error();
            *sum_us += to_us(around);
        }
        ++units_run_;
        gathered_bytes_ += static_cast<double>(bytes);
        return success();
    }

    /// Makes the step's values for the steps to come, and forgets those that nobody reads any more.
    Status go_on(const RowStep& step, const Unit& all_rows, const std::vector<HostTensor>& inputs) {
        auto made = all_rows.run(inputs);
        if (!made) return made.error();
        for (HostTensor& tensor : *made) values_[tensor.meta.value] = std::move(tensor);
        std::erase_if(values_, [&](const auto& entry) {
            const auto last = last_use_.find(entry.first);
            return last == last_use_.end() || last->second < step.last;
        });
        return success();
    }

    void scale(RowProfile& profile) const {
        double sum_us = 0;
        for (const StepTimes& step : profile.steps) sum_us += step.times.back().time_us;
        const double factor = sum_us > 0 ? median(whole_us_) / sum_us : 1;
        for (StepTimes& step : profile.steps)
            for (RowTime& time : step.times) time.time_us *= factor;
    }

    std::shared_ptr<const Model> model_;
    const graph::ModelGraph& graph_;
    const engine::ProfileOptions& options_;
    Instant until_{};
    UnitPtr whole_;
    bool warm_ = false;
    std::vector<HostTensor> frame_;
    std::map<ValueId, HostTensor> values_;  ///< whole; those that steps to come read
    std::map<ValueId, uint32_t> last_use_;  ///< by which operator
    std::vector<double> whole_us_;
    double in_one_us_ = 0;  ///< by units that were run, beside their operators: each input in one piece
    double in_two_us_ = 0;  ///< the same in two
    double units_run_ = 0;
    double gathered_bytes_ = 0;
};

}  // namespace

std::vector<int64_t> measured_rows(const RowStep& step) {
    constexpr size_t counts_least = 6;
    const int64_t all = step.rows;
    if (step.kind == RowStep::Kind::whole) return {all};
    std::set<int64_t> counts{all};
    for (const int64_t rows : {int64_t{1}, int64_t{2}, all / 8, all / 4, all / 2, 3 * all / 4})
        if (rows >= 1 && rows < all) counts.insert(rows);
    while (counts.size() < counts_least && static_cast<int64_t>(counts.size()) < all) {
        // Halve the widest gap; there is one, as there are more rows than counts.
        int64_t before = 0;
        RowRange widest;
        for (const int64_t rows : counts) {
            if (rows - before > widest.size()) widest = {before, rows};
            before = rows;
        }
        counts.insert(widest.begin + widest.size() / 2);
    }
    return {counts.begin(), counts.end()};
}

Result<RowProfile> measure_row_profile(const std::shared_ptr<const Model>& model,
                                       const engine::ProfileOptions& options) {
    const LayerRange kept = model->kept();
    if (kept.first != 0 || kept.last < model->chain().layers().size())
        return unsupported("row profile: the weights of some layers are not kept in memory");
    bind_lane_thread(options.threads);
    return RowProfiler(model, options).run();
}

}  // namespace eddy::torch_exec
