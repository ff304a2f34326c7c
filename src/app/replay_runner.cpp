#include "src/app/replay_runner.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <sys/prctl.h>

#include "eddy/messages.hpp"
#include "eddy/real_clock.hpp"
#include "src/transport/codec.hpp"

namespace eddy::app {

namespace {

constexpr double run_us_max = 86400e6;

class ReplayRunner final : public Runner {
public:
    ReplayRunner(std::shared_ptr<Replay> replay, std::shared_ptr<const RowUnits> rows)
        : replay_(std::move(replay)), rows_(std::move(rows)) {
        // By default the kernel may fire this thread's timers 50 µs late, to save power.
        ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    }

    Result<RunOutput> run(UnitRange units, std::span<const HostTensor> inputs, bool ends_model) override {
        const Instant began = real_now();
        if (units.plan != PlanId{}) return by_rows(units, ends_model, began);
        if (units.first >= units.last || units.last > replay_->layers())
            return internal("the profile has no layers " + std::to_string(units.first) + " to " +
                            std::to_string(units.last));
        uint64_t bytes = 0;
        for (const auto& input : inputs) bytes += input.bytes.size();
        if (const uint64_t recorded = replay_->frontier_bytes(units.first); bytes != recorded)
            return invalid("layer " + std::to_string(units.first) + " was given " + std::to_string(bytes) +
                           " bytes, the profile says " + std::to_string(recorded));
        if (!replay_->wait_until(began + replay_->duration(units))) return unavailable("the node ends");
        RunOutput output;
        if (ends_model)
            output.inference.emplace();
        else
            output.outputs = replay_->frontier(units.last);
        return output;
    }

private:
    Result<RunOutput> by_rows(UnitRange units, bool ends_model, Instant began) {
        const auto job = rows_ ? rows_->find(units.plan, units.first) : nullptr;
        if (!job) return unavailable("the plan is over");
        if (job->replay_us > 0 && !replay_->wait_until(began + replay_->duration(job->replay_us)))
            return unavailable("the node ends");
        RunOutput output;
        if (ends_model)
            output.inference.emplace();
        else
            output.outputs = job->replayed;
        return output;
    }

    std::shared_ptr<Replay> replay_;
    std::shared_ptr<const RowUnits> rows_;
};

/// Parts of `zeros`, which is as long as the longest of them.
std::vector<HostTensor> parts_of(uint64_t bytes, uint32_t count, const std::shared_ptr<const std::byte>& zeros) {
    std::vector<HostTensor> tensors;
    for (uint32_t i = 0; i < count; ++i) {
        const uint64_t part = bytes / count + (i < bytes % count ? 1 : 0);
        HostTensor tensor;
        tensor.meta.value = ValueId{i};
        tensor.meta.dtype = DType::u8;
        tensor.meta.shape = {static_cast<int64_t>(part)};
        tensor.bytes = SharedBytes(zeros, part);
        tensors.push_back(std::move(tensor));
    }
    return tensors;
}

/// A frontier is at least one tensor, whatever a profile says: work without any is refused by every node.
uint32_t tensors_of(const LayerProfile& layer) { return std::max<uint32_t>(1, layer.frontier_tensors); }

}  // namespace

Result<std::shared_ptr<Replay>> Replay::make(const ModelProfile& profile, double speed) {
    if (profile.layers.empty()) return invalid("the profile has no layers");
    for (size_t i = 0; i < profile.layers.size(); ++i)
        if (const uint64_t bytes = profile.layers[i].frontier_bytes;
            bytes > work_bytes_max - transport::work_overhead_bytes_max)
            return invalid("the tensors before layer " + std::to_string(i) + " have " + std::to_string(bytes) +
                           " bytes, more than a message may");
    std::shared_ptr<Replay> replay(new Replay(profile));
    replay->set_speed(speed);
    return replay;
}

Replay::Replay(const ModelProfile& profile) : time_before_{Usec{0}} {
    uint64_t longest = 0;
    for (const auto& layer : profile.layers) longest = std::max(longest, layer.frontier_bytes);
    const auto zeros = allocate_bytes(longest);
    std::memset(zeros.get(), 0, longest);
    for (const auto& layer : profile.layers) {
        time_before_.push_back(time_before_.back() + layer.time);
        frontiers_.push_back(parts_of(layer.frontier_bytes, tensors_of(layer), zeros));
    }
    frontiers_.emplace_back();  // after the last layer there is what was found
}

void Replay::set_speed(double speed) { speed_ = std::max(speed, speed_min); }

Usec Replay::duration(UnitRange units) const {
    const Usec recorded = time_before_.at(units.last) - time_before_.at(units.first);
    return duration(static_cast<double>(recorded.count()));
}

Usec Replay::duration(double recorded_us) const {
    const double us = std::ceil(recorded_us / speed_);
    return Usec(static_cast<int64_t>(std::min(us, run_us_max)));
}

uint64_t Replay::frontier_bytes(size_t layer) const {
    uint64_t bytes = 0;
    for (const auto& tensor : frontiers_.at(layer)) bytes += tensor.bytes.size();
    return bytes;
}

bool Replay::wait_until(Instant at) {
    std::unique_lock lock(mutex_);
    while (!ended_ && real_now() < at)
        changed_.wait_until(lock, std::chrono::steady_clock::time_point(at.time_since_epoch()));
    return !ended_;
}

void Replay::end() {
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
    }
    changed_.notify_all();
}

std::unique_ptr<Runner> make_replay_runner(std::shared_ptr<Replay> replay, std::shared_ptr<const RowUnits> rows) {
    return std::make_unique<ReplayRunner>(std::move(replay), std::move(rows));
}

Result<FrameSize> frame_of(uint64_t bytes) {
    const uint64_t pixels = bytes / 3;
    if (bytes == 0 || bytes % 3 != 0 || bytes > tensor_bytes_max)
        return invalid(std::to_string(bytes) + " bytes are no picture of 3 bytes a pixel");
    auto height = static_cast<uint64_t>(std::sqrt(static_cast<double>(pixels)));
    while (pixels % height != 0) --height;
    return FrameSize{static_cast<uint32_t>(pixels / height), static_cast<uint32_t>(height)};
}

}  // namespace eddy::app
