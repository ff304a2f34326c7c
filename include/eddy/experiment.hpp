// An experiment: devices, links, sources and what happens to them. The same file drives the simulator, the capacity
// bound and real processes; `src/config` reads it from TOML, and its key names are the member names here. Plain values,
// already checked: names are resolved to indices, ids differ, numbers are finite and in range.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eddy/config.hpp"
#include "eddy/ids.hpp"
#include "eddy/time.hpp"

namespace eddy {

inline constexpr size_t experiment_devices_max = 64;
inline constexpr size_t experiment_sources_max = 256;

/// One `[[device]]`.
struct ExperimentDevice {
    std::string name;
    NodeId id;           ///< evenly spaced around the circle, in the order of the file, where none is given
    double speed = 1.0;  ///< of one lane; the profile's times are divided by it. Above 0
    uint32_t lanes = 1;
    uint64_t memory_mb = 1024;
    bool has_model = true;  ///< false: relays only
    friend bool operator==(const ExperimentDevice&, const ExperimentDevice&) = default;
};

/// `[link]` is the default of every direction of every pair, a `[[link_between]]` that of one direction of one pair
/// (of both, unless `one_way`).
struct ExperimentLink {
    double mbit_per_s = 100;  ///< above 0
    double delay_ms = 0.5;    ///< one way
    friend bool operator==(const ExperimentLink&, const ExperimentLink&) = default;
};
struct ExperimentLinkBetween {
    size_t from = 0;  ///< device
    size_t to = 0;
    ExperimentLink link;
    friend bool operator==(const ExperimentLinkBetween&, const ExperimentLinkBetween&) = default;
};

/// Which pairs may carry frames: each device to its successor, or all to all.
enum class ExperimentLinks : uint8_t { ring, direct };

/// How the lab's devices compute; the simulator and the bound do not ask.
enum class ExperimentCompute : uint8_t {
    replayed,  ///< each run of layers takes as long as the recorded profile says, and its tensors have their true sizes
    real,      ///< LibTorch, under a processor quota
};

/// One `[[source]]`.
struct ExperimentSource {
    std::string name;
    size_t device = 0;
    double rate_per_s = 10;  ///< offered. Above 0
    Arrivals arrivals = Arrivals::paced;
    std::optional<uint64_t> frames;  ///< absent: for as long as the experiment lasts
    double weight = 1;               ///< of its rate against others' when not all can be served. Above 0; absent in the
                                     ///< file: the offered rate
    uint32_t priority = 0;           ///< a source of higher priority is served first
    WhenFull when_full = WhenFull::block;
    uint32_t reservoir_frames = 8;
    std::optional<double> deadline_ms;
    friend bool operator==(const ExperimentSource&, const ExperimentSource&) = default;
};

/// One `[[change]]`: from then on a device is so fast.
struct ExperimentChange {
    double at_s = 0;
    size_t device = 0;
    double speed = 1.0;
    friend bool operator==(const ExperimentChange&, const ExperimentChange&) = default;
};

struct Experiment {
    std::string name;     ///< the file's, without folder and ending
    std::string title;    ///< one line for people
    std::string profile;  ///< absolute path of a recorded `eddy.profile/1`; empty: `model` is to be profiled
    std::string model;    ///< absolute path of a TorchScript file, or empty
    ExperimentCompute compute = ExperimentCompute::replayed;
    double warm_up_s = 10;
    double window_s = 60;  ///< figures are of this span, after warm_up_s; a finite batch also runs to its end
    ExperimentLinks links = ExperimentLinks::ring;
    ExperimentLink link;
    std::vector<ExperimentLinkBetween> links_between;
    std::vector<ExperimentDevice> devices;
    std::vector<ExperimentSource> sources;
    std::vector<ExperimentChange> changes;  ///< in the order of time

    friend bool operator==(const Experiment&, const Experiment&) = default;

    /// The link from one device to another.
    [[nodiscard]] const ExperimentLink& link_between(size_t from, size_t to) const {
        for (auto it = links_between.rbegin(); it != links_between.rend(); ++it)
            if (it->from == from && it->to == to) return it->link;
        return link;
    }
};

}  // namespace eddy
