// How long each layer holds a lane at this node, from the runs it has computed. Robust to stalls, with the profile as
// what is believed before. Pure; owned by NodeCore, one thread. Times in seconds.
//
// *One layer.* The mean of the middle nine of its last 17 samples; before there are samples the window is full of what was
// expected. So four stalled samples, however long, move it no further than to their neighbours in order, and a lasting
// change is followed from the fifth to the thirteenth. A median would be steadier against stalls, but under a quota a run's
// time is one of few: at once, or after one pause, or two. The middle one of them jumps, and prices and backlogs with it.
//
// *Samples.* A run's busy time is shared out among its layers: as they were measured, or, if they were not, in
// proportion to the present estimates. It is all shared out, pauses of a duty cycle and overheads included, since the
// lane is held by them as well.
//
// *Layers that were not run lately* (in the last 128 runs) are expected at the profile's time · the device's factor:
// how much longer than in the profile those take that were. The factor is believed in full if these make up a quarter
// of the model's time; if less, in proportion to the square of their share, and for the rest it stays at what was last
// believed in full. So a node that is given only slivers of a model, each dominated by overhead, finds these slivers
// slow, as they are, and the rest of the model as fast as before. If it seemed ever slower, it would be given ever
// less.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "eddy/profile.hpp"

namespace eddy::scheduler {

class LayerClock {
public:
    LayerClock() = default;
    /// `time_scale`, above 0: what the profile's times are to be multiplied by at first, 1 / duty cycle.
    LayerClock(const ModelProfile& profile, double time_scale);

    [[nodiscard]] uint16_t layers() const { return static_cast<uint16_t>(layers_.size()); }

    /// A run of layers [first, last), not empty, held a lane for `busy`; not above 0 says nothing. `layer_times`: one
    /// for each of them, and only their proportions count; else they were not measured. One pass over the chain.
    void on_run(uint16_t first, uint16_t last, Usec busy, std::span<const Usec> layer_times = {});

    /// Expected of layers [first, last).
    [[nodiscard]] double seconds(uint16_t first, uint16_t last) const { return before_s_[last] - before_s_[first]; }
    /// Of every layer, as scheduler/cuts.hpp wants them.
    [[nodiscard]] std::vector<double> layer_s() const;
    /// The whole model's time over the profile's; `time_scale` while the profile has none.
    [[nodiscard]] double scale() const { return scale_; }

private:
    static constexpr size_t window = 17;
    static constexpr size_t outside = 4;  ///< left out at either end
    static constexpr uint64_t fresh_runs = 128;
    static constexpr double believed_share = 0.25;

    struct Layer {
        double expected_s = 0;  ///< by the profile, scaled
        double now_s = 0;
        std::array<double, window> samples{};  ///< a ring
        uint64_t last_run = 0;                 ///< 0: none yet
        uint8_t next = 0;
    };

    [[nodiscard]] bool fresh(const Layer& layer) const {
        return layer.last_run > 0 && runs_ - layer.last_run < fresh_runs;
    }
    void add_sample(Layer& layer, double seconds);
    void update();

    std::vector<Layer> layers_;
    std::vector<double> before_s_{0};  ///< running sums; layers + 1
    double profile_s_ = 0;             ///< of the whole model, not scaled
    double expected_s_ = 0;            ///< the same, scaled
    double scale_ = 1;
    double factor_ = 1;    ///< of the device, on top of the scale at first
    double believed_ = 1;  ///< the factor when a quarter of the model was last fresh
    uint64_t runs_ = 0;
};

}  // namespace eddy::scheduler
