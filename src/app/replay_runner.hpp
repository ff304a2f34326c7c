// Compute that is replayed: nothing is computed, a lane waits as long as a recorded profile says the layers took, and
// hands on tensors of the true sizes, all zero. For experiments whose devices are not there: what matters of a model to
// the others, its times and its bytes, is there; what it finds is not.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "eddy/profile.hpp"
#include "src/app/compute_lane.hpp"
#include "src/app/row_units.hpp"

namespace eddy::app {

/// What all lanes of a node replay, shared by them. Thread-safe.
class Replay {
public:
    /// Slower than this nothing is replayed: a run would take longer than any experiment.
    static constexpr double speed_min = 1e-6;

    /// `speed`: the profile's times are divided by it. Error `invalid`: a frontier is larger than a message may be.
    [[nodiscard]] static Result<std::shared_ptr<Replay>> make(const ModelProfile& profile, double speed);

    /// For runs that begin from now on; at least speed_min.
    void set_speed(double speed);
    [[nodiscard]] double speed() const { return speed_; }
    /// How long a run takes at the present speed; at most a day.
    [[nodiscard]] Usec duration(UnitRange units) const;
    /// The same of what takes so long at speed 1.
    [[nodiscard]] Usec duration(double recorded_us) const;
    /// Tensors before layer `layer`, from 0 to layers(): value i is the i-th, and all share their bytes.
    [[nodiscard]] const std::vector<HostTensor>& frontier(size_t layer) const { return frontiers_.at(layer); }
    [[nodiscard]] uint64_t frontier_bytes(size_t layer) const;
    [[nodiscard]] size_t layers() const { return time_before_.size() - 1; }

    /// Blocks until `at`. False: it was ended before.
    [[nodiscard]] bool wait_until(Instant at);
    /// Every run ends at once, now and later: the node does.
    void end();

private:
    explicit Replay(const ModelProfile& profile);

    std::vector<Usec> time_before_;  ///< as recorded: of the layers before each, and of all
    std::vector<std::vector<HostTensor>> frontiers_;
    std::atomic<double> speed_{1.0};
    std::mutex mutex_;
    std::condition_variable changed_;
    bool ended_ = false;  ///< by mutex_
};

/// To be made by the lane's own thread, whose timers it makes precise. A run that ends the model finds nothing.
/// `rows`: the units of plans over rows; null: there are none.
[[nodiscard]] std::unique_ptr<Runner> make_replay_runner(std::shared_ptr<Replay> replay,
                                                         std::shared_ptr<const RowUnits> rows = nullptr);

struct FrameSize {
    uint32_t width = 0;
    uint32_t height = 0;
};
/// The most square picture of 3 bytes a pixel that has so many bytes, not higher than wide. Error `invalid`: there is
/// none.
[[nodiscard]] Result<FrameSize> frame_of(uint64_t bytes);

}  // namespace eddy::app
