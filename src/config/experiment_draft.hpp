// An experiment on its way in: what its file says, before names are looked up. Internal to src/config.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eddy/experiment.hpp"

namespace eddy::config {

struct DeviceDraft : ExperimentDevice {
    std::optional<NodeId> given_id;
    std::optional<uint64_t> count;  ///< absent: one, whose name gets no number
};

struct LinkBetweenDraft {
    std::string from;
    std::string to;
    bool one_way = false;
    std::optional<double> mbit_per_s;
    std::optional<double> delay_ms;
};

struct SourceDraft : ExperimentSource {
    std::string device_name;
    std::optional<double> given_weight;
    std::optional<uint64_t> count;
    uint32_t every = 1;
};

struct ChangeDraft : ExperimentChange {
    std::string device_name;
};

/// The lists stand for the tables of the file, one each.
struct ExperimentDraft {
    Experiment experiment;
    std::vector<DeviceDraft> devices;
    std::vector<LinkBetweenDraft> links_between;
    std::vector<SourceDraft> sources;
    std::vector<ChangeDraft> changes;
};

}  // namespace eddy::config
