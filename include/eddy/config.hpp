// A node's configuration as plain structs, already checked. `src/config` reads it from TOML; its key names are the
// member names here. Defaults are the ones a user gets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eddy/ids.hpp"
#include "eddy/messages.hpp"

namespace eddy {

enum class WhenFull : uint8_t { block, drop_oldest, drop_newest };
enum class Arrivals : uint8_t { paced, poisson };

/// One `[[source]]`.
struct SourceConfig {
    std::string name;
    std::string input;                 ///< file, folder of pictures, rtsp://…, /dev/video0, lavfi:testsrc2=…
    std::optional<double> rate_per_s;  ///< absent: the stream's own pace
    Arrivals arrivals = Arrivals::paced;
    std::optional<uint64_t> frames;  ///< stop after this many; absent: until the input ends (files) or for ever
    bool loop = false;               ///< files and folders start again at their end
    WhenFull when_full =
        WhenFull::block;  ///< reader's default: `block` for files and folders, `drop-oldest` for live inputs
    std::optional<double> deadline_ms;  ///< older frames are dropped wherever they are
    uint32_t reservoir_frames = 8;      ///< bound of the reservoir μ
    /// Of its rate against other sources' when not all can be served, in frames/s; absent: the rate at which it offers.
    std::optional<double> weight;
    uint32_t priority = 0;  ///< a source of higher priority is served first; at most priority_max
};

/// Which rule decides what a node works on; scheduler/ has each one's paper.
enum class PolicyKind : uint8_t { local, ddi, ar_mdi, ms_mdi, layered };
/// As users write it.
constexpr const char* name_of(PolicyKind policy) {
    switch (policy) {
        case PolicyKind::local: return "local";
        case PolicyKind::ddi: return "ddi";
        case PolicyKind::ar_mdi: return "ar-mdi";
        case PolicyKind::ms_mdi: return "ms-mdi";
        case PolicyKind::layered: return "layered";
    }
    return "";
}
/// By what ar-mdi and ms-mdi share out a model: its parameters (the papers), or its layers' measured times.
enum class SharesKind : uint8_t { parameters, measured };

/// How a frame's model is divided: by layers along the ring, by rows over all devices at once (EdgeFlow), or by what is
/// better at the time.
enum class PartitionKind : uint8_t { chain, edgeflow, automatic };
constexpr const char* name_of(PartitionKind partition) {
    switch (partition) {
        case PartitionKind::chain: return "chain";
        case PartitionKind::edgeflow: return "edgeflow";
        case PartitionKind::automatic: return "auto";
    }
    return "";
}

/// Who divides the rows of a source's frames (docs/edgeflow.md). All but fused_blocks are there to be compared with.
enum class RowPlannerKind : uint8_t { fused_blocks, progressive_lp, proportional, equal };
/// As users write it, and as the planners are called.
constexpr const char* name_of(RowPlannerKind planner) {
    switch (planner) {
        case RowPlannerKind::fused_blocks: return "fused-blocks";
        case RowPlannerKind::progressive_lp: return "progressive-lp";
        case RowPlannerKind::proportional: return "proportional";
        case RowPlannerKind::equal: return "equal";
    }
    return "";
}

inline constexpr uint32_t priority_max = 100;
inline constexpr double replay_speed_max = 1000;
inline constexpr size_t zone_levels_max = 3;

/// `[node]`, `[cluster]`, `[model]`, `[compute]`, `[scheduler]`, `[[source]]` of one TOML file.
struct NodeConfig {
    // [node]
    std::string name;
    std::optional<NodeId> id;            ///< absent: hashed from cluster and node name, within the zone
    std::string zone;                    ///< "building/floor/room": neighbouring ids for neighbouring devices
    Endpoint listen{"127.0.0.1", 7070};  ///< port 0: chosen by the system
    std::optional<Endpoint> advertise;   ///< what others dial, where it differs from `listen`
    std::string data_dir;                ///< identity and profiles; default: ~/.local/state/eddy/<name>
    std::string control_socket;          ///< default: <data_dir>/control.sock
    uint32_t start_members = 1;          ///< cameras start once the ring has so many members, this node included
    // [cluster]
    std::string cluster = "eddy";
    std::string cluster_key;  ///< empty only on loopback; from `key` or `key_file`
    std::vector<Endpoint> seeds;
    // [model]
    std::string model_path;  ///< empty, and `replay` too: this node only relays
    // [compute]
    uint32_t lanes = 1;  ///< frames computed at the same time
    uint32_t threads_per_lane = 1;
    double limit = 1.0;                  ///< duty cycle of a lane: share of a core it may use
    uint64_t memory_mb = 1024;           ///< weights, compiled segments, buffers
    std::optional<uint64_t> custody_mb;  ///< kept of frames that were handed over; absent: an eighth of memory_mb
    std::string replay;         ///< a recorded profile: nothing is computed, its times are waited; without model_path
    std::string row_profile;    ///< eddy.row_profile/1; absent: measured where it is needed, or there is none
    double replay_speed = 1.0;  ///< its times are divided by it; above 0, at most replay_speed_max
    // [scheduler]
    PolicyKind policy = PolicyKind::layered;
    SharesKind shares = SharesKind::parameters;
    PartitionKind partition = PartitionKind::chain;
    RowPlannerKind row_planner = RowPlannerKind::fused_blocks;
    uint32_t queue_frames = 16;   ///< bound of each per-source queue
    uint32_t attempts_max = 3;    ///< per frame, first one included
    double stop_timeout_s = 5;    ///< admitted frames may finish for so long after SIGTERM
    double frame_timeout_s = 30;  ///< an admitted frame without a result by then has failed
    // [[source]]
    std::vector<SourceConfig> sources;
};

}  // namespace eddy
