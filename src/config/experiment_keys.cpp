// The keys of an experiment's file.
#include "src/config/experiment.hpp"
#include "src/config/experiment_draft.hpp"
#include "src/config/keys.hpp"

namespace eddy::config {
namespace {

constexpr double day_s = 86400;
constexpr size_t links_between_max = experiment_devices_max * experiment_devices_max;
constexpr size_t changes_max = 1000;
const NumberType speed{0, false, 1000};
const NumberType bandwidth{0, false, 1e6};
const NumberType delay{0, true, 60000};

std::vector<Key> experiment_and_link_keys() {
    constexpr auto to = [](auto member) { return setter<Experiment>(member); };
    constexpr auto to_link = [](auto member) { return setter<ExperimentLink>(member); };
    return {
        {"experiment", "title", TextType{1, 200}, "", "One line for people.", false, false, to(&Experiment::title)},
        {"experiment", "profile", TextType{}, "",
         "A recorded eddy.profile/1, whose times are divided by each device's speed. Either this or `model`.", false,
         false, to(&Experiment::profile)},
        {"experiment", "model", TextType{}, "", "TorchScript file with its card, to be profiled first.", false, false,
         to(&Experiment::model)},
        {"experiment", "compute", ChoiceType{{"replayed", "real"}}, "\"replayed\"",
         "How `eddy lab run` computes: wait as long as the profile says, or run the model under a processor quota.",
         false, false, to(&Experiment::compute)},
        {"experiment", "warm_up_s", NumberType{0, true, day_s}, "10.0", "Not measured, to let queues fill.", false,
         false, to(&Experiment::warm_up_s)},
        {"experiment", "window_s", NumberType{0, false, day_s}, "60.0",
         "What is measured. Sources with `frames` also run to their end, for the makespan.", false, false,
         to(&Experiment::window_s)},
        {"experiment", "links", ChoiceType{{"ring", "direct"}}, "\"ring\"",
         "Which pairs may carry frames: each device to its successor, or all to all.", false, false,
         to(&Experiment::links)},
        {"link", "mbit_per_s", bandwidth, "100.0", "Of each direction of every pair that no [[link_between]] names.",
         false, false, to_link(&ExperimentLink::mbit_per_s)},
        {"link", "delay_ms", delay, "0.5", "One way.", false, false, to_link(&ExperimentLink::delay_ms)},
    };
}

std::vector<Key> device_and_pair_keys() {
    constexpr auto to = [](auto member) { return setter<DeviceDraft>(member); };
    constexpr auto to_pair = [](auto member) { return setter<LinkBetweenDraft>(member); };
    return {
        {"device", "name", NameType{}, "", "Unique in the experiment.", true, false, to(&DeviceDraft::name)},
        {"device", "count", IntegerType{1, int64_t{experiment_devices_max}}, "",
         "So many equal devices: \"d\" becomes d1, d2 … Left out: one, of just this name.", false, false,
         to(&DeviceDraft::count)},
        {"device", "id", NodeIdType{}, "",
         "Place on the ring. Left out: evenly spaced, in the order of the file, so that each device's successor is the "
         "next one.",
         false, false, to(&DeviceDraft::given_id)},
        {"device", "speed", speed, "1.0", "Of one lane, 1 being the device of the profile.", false, false,
         to(&DeviceDraft::speed)},
        {"device", "lanes", IntegerType{1, 64}, "1", "Frames computed at the same time.", false, false,
         to(&DeviceDraft::lanes)},
        {"device", "memory_mb", IntegerType{16, int64_t{1} << 20}, "1024",
         "Bound of weights, compiled layers and buffers together, in MiB.", false, false, to(&DeviceDraft::memory_mb)},
        {"device", "has_model", FlagType{}, "true", "false: it only relays; a node there takes no source.", false,
         false, to(&DeviceDraft::has_model)},
        {"link_between", "from", NameType{}, "", "A device's name.", true, false, to_pair(&LinkBetweenDraft::from)},
        {"link_between", "to", NameType{}, "", "Another's.", true, false, to_pair(&LinkBetweenDraft::to)},
        {"link_between", "one_way", FlagType{}, "false",
         "true: not the way back. Of two tables for one direction the later counts.", false, false,
         to_pair(&LinkBetweenDraft::one_way)},
        {"link_between", "mbit_per_s", bandwidth, "", "Left out: as in [link].", false, false,
         to_pair(&LinkBetweenDraft::mbit_per_s)},
        {"link_between", "delay_ms", delay, "", "Left out: as in [link].", false, false,
         to_pair(&LinkBetweenDraft::delay_ms)},
    };
}

std::vector<Key> source_and_change_keys() {
    constexpr auto to = [](auto member) { return setter<SourceDraft>(member); };
    constexpr auto to_change = [](auto member) { return setter<ChangeDraft>(member); };
    return {
        {"source", "name", NameType{}, "", "Unique in the experiment.", true, false, to(&SourceDraft::name)},
        {"source", "count", IntegerType{1, int64_t{experiment_sources_max}}, "",
         "So many equal sources: \"s\" becomes s1, s2 … Left out: one, of just this name.", false, false,
         to(&SourceDraft::count)},
        {"source", "device", NameType{}, "", "Name of the device it is attached to; of several, the first one's.", true,
         false, to(&SourceDraft::device_name)},
        {"source", "every", IntegerType{0, int64_t{experiment_devices_max}}, "1",
         "Of several sources, each is attached so many devices after the one before; 0: all to the same.", false, false,
         to(&SourceDraft::every)},
        {"source", "rate_per_s", NumberType{0, false, 1000}, "10.0", "Frames a second that it offers.", false, false,
         to(&SourceDraft::rate_per_s)},
        {"source", "arrivals", ChoiceType{{"paced", "poisson"}}, "\"paced\"",
         "Evenly spaced, or at random instants with the same mean rate.", false, false, to(&SourceDraft::arrivals)},
        {"source", "frames", IntegerType{1, int64_t{1} << 53}, "",
         "Ends after this many. Left out: goes on as long as the experiment.", false, false, to(&SourceDraft::frames)},
        {"source", "weight", NumberType{0, false, 1e6}, "",
         "When not all frames can be served, rates are in the ratio of weights: 2 gets twice the frames that 1 gets, "
         "if "
         "it offers so many. Left out: rate_per_s. Of the policies only layered regards it.",
         false, false, to(&SourceDraft::given_weight)},
        {"source", "priority", IntegerType{0, int64_t{priority_max}}, "0",
         "Where frames of several sources wait at a node, the higher priority goes first, and weight does not hold its "
         "source back. Queues of others are served about once a second all the same. Bounds do not regard it.",
         false, false, to(&SourceDraft::priority)},
        {"source", "when_full", ChoiceType{{"block", "drop-oldest", "drop-newest"}}, "\"block\"",
         "What a full reservoir does.", false, false, to(&SourceDraft::when_full)},
        {"source", "reservoir_frames", IntegerType{1, 4096}, "8", "Captured frames that may wait to be admitted.",
         false, false, to(&SourceDraft::reservoir_frames)},
        {"source", "deadline_ms", NumberType{0, false, day_s * 1000}, "",
         "A frame older than this is dropped, wherever it is. Left out: none.", false, false,
         to(&SourceDraft::deadline_ms)},
        {"change", "at_s", NumberType{0, true, 2 * day_s}, "", "Seconds after the start, warm-up included.", true,
         false, to_change(&ChangeDraft::at_s)},
        {"change", "device", NameType{}, "", "A device's name.", true, false, to_change(&ChangeDraft::device_name)},
        {"change", "speed", speed, "", "Its speed from then on.", true, false, to_change(&ChangeDraft::speed)},
    };
}

}  // namespace

const Form& experiment_form() {
    static const Form form = [] {
        Form made;
        made.heading =
            "All keys of an experiment's file, with their defaults. Relative paths start at the file's own folder.";
        made.tables = {{"experiment"},
                       {"link"},
                       {"device", experiment_devices_max, "a device, or several equal ones"},
                       {"link_between", links_between_max, "a pair of devices whose link differs"},
                       {"source", experiment_sources_max, "a source, or several equal ones"},
                       {"change", changes_max, "a change"}};
        for (auto keys : {experiment_and_link_keys(), device_and_pair_keys(), source_and_change_keys()})
            for (Key& key : keys) made.keys.push_back(std::move(key));
        return made;
    }();
    return form;
}

std::vector<KeyHelp> experiment_keys() { return help_of(experiment_form()); }

std::string experiment_reference() { return reference_of(experiment_form()); }

}  // namespace eddy::config
