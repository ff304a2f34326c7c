// The keys of a node's file.
#include "src/config/keys.hpp"
#include "src/config/node_config.hpp"
#include "src/config/node_draft.hpp"

namespace eddy::config {
namespace {

constexpr double day_s = 86400;

template <class Struct, class Member>
auto to(Member Struct::*member) {
    return setter<NodeDraft>(member);
}
template <class Member>
auto to_source(Member SourceConfig::*member) {
    return setter<SourceConfig>(member);
}

std::vector<Key> node_keys() {
    return {
        {"node", "name", NameType{}, "", "What people call this node; unique in its cluster.", true, false,
         to(&NodeConfig::name)},
        {"node", "id", NodeIdType{}, "",
         "Place on the ring. Left out: derived from the names of cluster and node (and `zone`), which suits nearly "
         "everyone.",
         false, false, to(&NodeConfig::id)},
        {"node", "zone", ZoneType{}, "",
         "Where the device is: \"building/floor/room\", or less. Devices of one zone are neighbours on the ring, so "
         "that frames travel short ways. Left out: anywhere. A device that moved gets a new id; one with `id` keeps "
         "it.",
         false, false, to(&NodeConfig::zone)},
        {"node", "listen", EndpointType{0}, "\"127.0.0.1:7070\"",
         "Where other nodes reach this one. Anything but loopback needs a cluster key. Port 0: chosen by the system.",
         false, false, to(&NodeConfig::listen)},
        {"node", "advertise", EndpointType{1}, "",
         "The address others are told to dial, where it differs from `listen`; needed if that is 0.0.0.0 or [::].",
         false, false, to(&NodeConfig::advertise)},
        {"node", "data_dir", TextType{}, "",
         "Folder for identity and profiles; made if missing. Left out: ~/.local/state/eddy/<name>.", false, false,
         to(&NodeConfig::data_dir)},
        {"node", "control_socket", TextType{}, "",
         "Unix socket that `eddy status` asks. Left out: control.sock in data_dir.", false, false,
         to(&NodeConfig::control_socket)},
        {"node", "start_members", IntegerType{1, members_max}, "1",
         "The cameras start once the ring has so many members, this node included.", false, false,
         to(&NodeConfig::start_members)},
        {"cluster", "name", NameType{}, "\"eddy\"", "Nodes of other clusters are refused.", false, false,
         to(&NodeConfig::cluster)},
        {"cluster", "key", TextType{cluster_key_bytes_min, 4096, "a text of at least 16 characters"}, "",
         "The secret all nodes of a cluster share; both sides of every connection prove that they know it.", false,
         true, to(&NodeConfig::cluster_key)},
        {"cluster", "key_file", TextType{}, "",
         "File whose first line is the key; better than `key`, since configurations get passed around.", false, false,
         to(&NodeDraft::key_file)},
        {"cluster", "seeds", EndpointsType{members_max}, "[]",
         "Nodes to join through; one that can be reached is enough. They are tried for ever, with growing pauses.",
         false, false, to(&NodeConfig::seeds)},
        {"model", "path", TextType{}, "",
         "TorchScript file with its card, the same on all nodes. Left out: this node only relays.", false, false,
         to(&NodeConfig::model_path)},
    };
}

std::vector<Key> work_keys() {
    return {
        {"compute", "lanes", IntegerType{1, 64}, "1", "Frames computed at the same time.", false, false,
         to(&NodeConfig::lanes)},
        {"compute", "threads_per_lane", IntegerType{1, 64}, "1", "Threads that share the work of one frame.", false,
         false, to(&NodeConfig::threads_per_lane)},
        {"compute", "limit", NumberType{0, false, 1}, "1.0",
         "Share of a core each lane may use; it pauses after every run to keep to it.", false, false,
         to(&NodeConfig::limit)},
        {"compute", "memory_mb", IntegerType{16, int64_t{1} << 20}, "1024",
         "Bound of weights, compiled layers and buffers together, in MiB; the program itself takes about 180 "
         "beside, or 50 without a model. Layers that do not fit are not run here: the log says which are.",
         false, false, to(&NodeConfig::memory_mb)},
        {"compute", "custody_mb", IntegerType{0, int64_t{1} << 20}, "",
         "Bound of what is kept, in MiB, of frames that were handed over until the next node has passed them on, so "
         "that its loss costs one step. When full, the oldest goes. 0: nothing is kept. Left out: an eighth of "
         "memory_mb, or less where layers need it.",
         false, false, to(&NodeConfig::custody_mb)},
        {"compute", "replay", TextType{}, "",
         "For experiments, in place of [model] path: a recorded eddy.profile/1. The node computes nothing; it waits as "
         "long as the layers took and hands on zeros of the true sizes, so it finds nothing in its frames.",
         false, false, to(&NodeConfig::replay)},
        {"compute", "replay_speed", NumberType{0, false, replay_speed_max}, "",
         "With replay only: the recorded times are divided by it. Left out: 1.", false, false,
         to(&NodeConfig::replay_speed)},
        {"compute", "row_profile", TextType{}, "",
         "With [scheduler] partition other than chain: a recorded eddy.row_profile/1, by which plans over rows are "
         "made. "
         "Left out: measured on this device once, and kept. A node that replays needs one.",
         false, false, to(&NodeConfig::row_profile)},
        {"scheduler", "policy", ChoiceType{{"local", "ddi", "ar-mdi", "ms-mdi", "layered"}}, "\"layered\"",
         "local: every frame stays at its own node. ddi: whole frames go to whoever has time. ar-mdi: each node "
         "computes its share of every frame. ms-mdi: whole here or shared round the ring, by queue lengths. layered: "
         "each node does what relieves the cluster fastest, some layers of a frame here or its way to the successor; "
         "the only one that regards weight and priority. The same on all nodes.",
         false, false, to(&NodeConfig::policy)},
        {"scheduler", "shares", ChoiceType{{"parameters", "measured"}}, "\"parameters\"",
         "By what ar-mdi and ms-mdi share out a model: its parameters, as in their papers, or its layers' measured "
         "times. The other policies do not ask.",
         false, false, to(&NodeConfig::shares)},
        {"scheduler", "partition", ChoiceType{{"chain", "edgeflow", "auto"}}, "\"chain\"",
         "How a model is divided. chain: by layers, along the ring, for many frames. edgeflow: by rows of every layer, "
         "over "
         "all nodes at once, so that a single frame is done sooner. auto: by rows while frames are few, else what gets "
         "more through. Nodes that are set to chain take part in nobody's rows.",
         false, false, to(&NodeConfig::partition)},
        {"scheduler", "row_planner", ChoiceType{{"fused-blocks", "progressive-lp", "proportional", "equal"}},
         "\"fused-blocks\"",
         "With partition other than chain: who divides rows, for frames of this node's sources. The others are "
         "simpler, to "
         "compare with: the paper's linear programs, rows in proportion to speeds, or as many for everyone, step by "
         "step.",
         false, false, to(&NodeConfig::row_planner)},
        {"scheduler", "queue_frames", IntegerType{1, 4096}, "16",
         "Bound of each queue; a source has one at every node, with layered one a cut.", false, false,
         to(&NodeConfig::queue_frames)},
        {"scheduler", "attempts_max", IntegerType{1, 100}, "3",
         "How often a frame is tried, the first time included, before it counts as failed.", false, false,
         to(&NodeConfig::attempts_max)},
        {"scheduler", "stop_timeout_s", NumberType{0, true, 3600}, "5.0",
         "After SIGINT or SIGTERM, frames already admitted may finish for this long.", false, false,
         to(&NodeConfig::stop_timeout_s)},
        {"scheduler", "frame_timeout_s", NumberType{0, false, day_s}, "30.0",
         "A frame without a result after this long has failed.", false, false, to(&NodeConfig::frame_timeout_s)},
    };
}

std::vector<Key> source_keys() {
    return {
        {"source", "name", NameType{}, "", "What reports call this camera; unique at its node.", true, false,
         to_source(&SourceConfig::name)},
        {"source", "input", TextType{}, "",
         "Video file, folder of pictures, rtsp://…, /dev/video0, or lavfi:testsrc2=size=640x480:rate=10.", true, false,
         to_source(&SourceConfig::input)},
        {"source", "rate_per_s", NumberType{0, false, 1000}, "",
         "Frames a second to take. Left out: the stream's own pace.", false, false,
         to_source(&SourceConfig::rate_per_s)},
        {"source", "arrivals", ChoiceType{{"paced", "poisson"}}, "\"paced\"",
         "Evenly spaced, or at random instants with the same mean rate.", false, false,
         to_source(&SourceConfig::arrivals)},
        {"source", "frames", IntegerType{1, int64_t{1} << 53}, "",
         "Stop after this many. Left out: until the input ends.", false, false, to_source(&SourceConfig::frames)},
        {"source", "loop", FlagType{}, "false", "Begin again when a file or folder ends.", false, false,
         to_source(&SourceConfig::loop)},
        {"source", "when_full", ChoiceType{{"block", "drop-oldest", "drop-newest"}}, "",
         "What a full reservoir does. Left out: block for files and folders, drop-oldest for live inputs.", false,
         false, to_source(&SourceConfig::when_full)},
        {"source", "deadline_ms", NumberType{0, false, day_s * 1000}, "",
         "A frame older than this is dropped, wherever it is. Left out: none.", false, false,
         to_source(&SourceConfig::deadline_ms)},
        {"source", "weight", NumberType{0, false, 1e6}, "",
         "When not all frames can be served, rates are in the ratio of weights: 2 gets twice the frames that 1 gets, "
         "if "
         "it offers so many. Left out: the rate at which it offers, so give it to all sources of the cluster or to "
         "none. With layered only.",
         false, false, to_source(&SourceConfig::weight)},
        {"source", "priority", IntegerType{0, int64_t{priority_max}}, "0",
         "Where frames of several sources wait at a node, the higher priority goes first, and weight does not hold its "
         "source back. Queues of others are served about once a second all the same. With layered only.",
         false, false, to_source(&SourceConfig::priority)},
        {"source", "reservoir_frames", IntegerType{1, 4096}, "8", "Captured frames that may wait to be admitted.",
         false, false, to_source(&SourceConfig::reservoir_frames)},
    };
}

}  // namespace

const Form& node_form() {
    static const Form form = [] {
        Form made;
        made.heading =
            "All keys of an eddy-node's configuration file, with their defaults. Relative paths start at the file's "
            "own\nfolder.";
        made.tables = {{"node"},    {"cluster"},   {"model"},
                       {"compute"}, {"scheduler"}, {"source", sources_max, "a camera"}};
        for (auto keys : {node_keys(), work_keys(), source_keys()})
            for (Key& key : keys) made.keys.push_back(std::move(key));
        return made;
    }();
    return form;
}

std::vector<KeyHelp> keys() { return help_of(node_form()); }

std::string reference() { return reference_of(node_form()); }

}  // namespace eddy::config
