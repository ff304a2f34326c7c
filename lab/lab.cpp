#include "lab/lab.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "eddy/real_clock.hpp"
#include "lab/bridge_network.hpp"
#include "lab/control_groups.hpp"
#include "lab/link_probe.hpp"
#include "lab/nodes.hpp"
#include "lab/run_folder.hpp"
#include "lab/speed_probe.hpp"

namespace eddy::lab {

namespace {

constexpr uint16_t node_port = 7070;
constexpr size_t seeds_max = 3;                        ///< devices that all others know beforehand
constexpr Usec ring_forms_within = from_seconds(600);  ///< LibTorch under a small quota takes its time
constexpr Usec look_every = from_seconds(1);
constexpr Usec glance_every = from_ms(50);
/// A run in which nothing was settled for so long, besides what slow sources need, is broken off.
constexpr double stuck_after_s = 120;
constexpr Usec nodes_end_within = from_seconds(20);
/// Real devices are measured for so long, after as long as it takes for LibTorch's first frames.
constexpr double measured_for_s = 8;
constexpr double measured_after_s = 3;
constexpr size_t measured_frames_min = 5;
/// A stream has reached a link's speed after so many round trips.
constexpr int64_t round_trips_to_speed = 12;

std::string random_key() {
    std::ifstream urandom("/dev/urandom", std::ios::binary);
    std::array<unsigned char, 16> bytes{};
    urandom.read(reinterpret_cast<char*>(bytes.data()), bytes.size());
    std::string key;
    for (const unsigned char byte : bytes) key += fmt::format("{:02x}", byte);
    return key;
}

std::vector<Link> shaped_links(const Experiment& experiment) {
    std::vector<Link> links;
    for (size_t from = 0; from < experiment.devices.size(); ++from)
        for (size_t to = 0; to < experiment.devices.size(); ++to) {
            if (from == to) continue;
            const ExperimentLink& link = experiment.link_between(from, to);
            links.push_back({from, to, link.mbit_per_s, link.delay_ms});
        }
    return links;
}

/// Between completions in that span; nothing if there are too few.
std::optional<double> seconds_per_frame(const NodeRecords& records, double from_unix_s, double until_unix_s) {
    std::vector<double> times;
    for (const metrics::ResultLine& line : records.results)
        if (line.completion_ms && line.settled_unix_s >= from_unix_s && line.settled_unix_s <= until_unix_s)
            times.push_back(*line.settled_unix_s);
    if (times.size() < measured_frames_min) return std::nullopt;
    const auto [first, last] = std::minmax_element(times.begin(), times.end());
    return (*last - *first) / static_cast<double>(times.size() - 1);
}

Error interrupted_error() { return unavailable("interrupted"); }

}  // namespace

struct Lab::Impl {
    Experiment experiment;
    LabOptions options;
    std::optional<RunFolder> folder;
    std::optional<BridgeNetwork> network;  ///< if isolated
    std::optional<ControlGroups> groups;   ///< if isolated
    LabPlan plan;
    std::vector<Place> places;  ///< by device

    Status open();
    Result<LabRun> run(PolicyKind policy, SharesKind shares);

    [[nodiscard]] PlanOptions plan_options(PolicyKind policy, SharesKind shares) const;
    [[nodiscard]] bool real() const { return experiment.compute == ExperimentCompute::real; }
    [[nodiscard]] bool computes(size_t d) const { return experiment.devices[d].has_model; }
    Status pause(Usec duration, Nodes* nodes);
    Status measure_links(LabRun& made);
    Status measure_replayed(LabRun& made);
    Status reset_quotas();
    Result<std::vector<double>> measure_real(PlanOptions prepared, const std::string& when, LabRun& made);
    Status start_nodes(Nodes& nodes, const LabPlan& planned, const std::string& before = {});
    Status wait_for_ring(Nodes& nodes, const std::string& before = {});
    Status read_profiles(const Nodes& nodes, LabRun& made) const;
    Status conduct(Nodes& nodes, std::vector<Look>& looks);
    Status apply_changes(Nodes& nodes, double at_s, size_t& next);
    Status stop_cameras(Nodes& nodes, const Experiment& sources_of);
    /// Asks nobody any more once it is interrupted.
    [[nodiscard]] Ask ask() const {
        return [this](const std::string& socket, const std::string& line, Usec within) -> Result<std::string> {
            if (options.interrupted && options.interrupted()) return interrupted_error();
            return options.ask(socket, line, within);
        };
    }
    void tell(const std::string& what) const {
        if (options.progress) options.progress(what);
    }
};

PlanOptions Lab::Impl::plan_options(PolicyKind policy, SharesKind shares) const {
    PlanOptions made;
    made.isolated = options.isolated;
    made.policy = policy;
    made.shares = shares;
    made.partition = options.partition;
    made.row_planner = options.row_planner;
    made.row_profile = options.row_profile;
    made.folder = folder->path() / name_of(policy);
    made.model = options.model;
    made.profile = (folder->path() / "profile.json").string();
    made.cores = static_cast<double>(::sysconf(_SC_NPROCESSORS_ONLN));
    return made;
}

Status Lab::Impl::open() {
    (void)remove_leftovers(options.log);  // what cannot be removed has been said, and does not stand in the way
    auto made = RunFolder::make();
    if (!made) return made.error();
    folder.emplace(std::move(*made));
    if (options.keep)
        if (auto kept = folder->keep(); !kept) return kept;
    std::ofstream profile(folder->path() / "profile.json");
    profile << options.profile_json;
    profile.close();
    if (!profile) return unavailable("cannot write " + (folder->path() / "profile.json").string());
    auto planned = make_plan(experiment, plan_options(PolicyKind::layered, SharesKind::parameters));
    if (!planned) return planned.error();
    plan = std::move(*planned);
    places.resize(plan.devices.size());
    if (!options.isolated) return success();
    tell("making the network");
    auto bridged = BridgeNetwork::make(folder->name(), plan.devices.size(), shaped_links(experiment), options.log);
    if (!bridged) return bridged.error();
    network.emplace(std::move(*bridged));
    auto grouped = ControlGroups::make(folder->name(), folder->path());
    if (!grouped) return grouped.error();
    groups.emplace(std::move(*grouped));
    for (size_t d = 0; d < plan.devices.size(); ++d) {
        const DevicePlan& device = plan.devices[d];
        auto procs = groups->add(d, device.quota_cores, *device.memory_mb << 20);
        if (!procs) return procs.error();
        places[d] = {network->netns_path(d), std::move(*procs)};
    }
    return success();
}

/// Waits, but not beyond an interruption, nor the death of a node.
Status Lab::Impl::pause(Usec duration, Nodes* nodes) {
    const Instant until = real_now() + duration;
    for (;;) {
        if (options.interrupted && options.interrupted()) return interrupted_error();
        if (nodes != nullptr)
            if (auto alive = nodes->all_run(); !alive) return alive;
        const Usec left = until - real_now();
        if (left <= Usec(0)) return success();
        std::this_thread::sleep_for(std::min(left, glance_every));
    }
}

Status Lab::Impl::measure_links(LabRun& made) {
    const std::vector<size_t> order = ring_order(experiment);
    if (order.size() < 2) return success();
    tell("measuring the links");
    std::vector<ProbePair> pairs;
    for (size_t i = 0; i < order.size(); ++i) {
        const size_t from = order[i];
        const size_t to = order[(i + 1) % order.size()];
        const double asked = options.isolated ? experiment.link_between(from, to).mbit_per_s : 0;
        made.links.push_back({from, to, asked, 0});
        pairs.push_back({places[from], places[to], options.isolated ? network->address(to) : "127.0.0.1"});
    }
    ProbeTimes times;
    for (const LinkSpeed& link : made.links)
        if (made.delay_applied)
            times.warm_up = std::max(times.warm_up, 2 * round_trips_to_speed *
                                                        from_ms(experiment.link_between(link.from, link.to).delay_ms));
    const auto speeds = probe_links(pairs, times);
    if (!speeds) return speeds.error();
    for (size_t i = 0; i < pairs.size(); ++i) made.links[i].measured_mbit_per_s = (*speeds)[i];
    return success();
}

/// A device that replays is as fast as its waits are exact while all others wait as well.
Status Lab::Impl::measure_replayed(LabRun& made) {
    tell("measuring the devices");
    std::vector<double> model_s;
    for (size_t d = 0; d < experiment.devices.size(); ++d) {
        double sum_s = 0;
        for (const LayerProfile& layer : options.profile.layers) sum_s += to_seconds(layer.time);
        model_s.push_back(computes(d) ? sum_s / experiment.devices[d].speed : 0);
    }
    auto measured = probe_waits(places, model_s);
    if (!measured) return measured.error();
    made.model_s = std::move(*measured);
    return success();
}

/// An earlier policy's run may have ended with changed speeds.
Status Lab::Impl::reset_quotas() {
    for (size_t d = 0; groups && d < plan.devices.size(); ++d)
        if (auto set = groups->set_quota(d, plan.devices[d].quota_cores); !set) return set;
    return success();
}

/// Seconds a frame takes each device; 0 where nothing is computed. Every device computes what a source of its own
/// offers, more than it can do, and nothing goes over the network.
Result<std::vector<double>> Lab::Impl::measure_real(PlanOptions prepared, const std::string& when, LabRun& made) {
    if (auto reset = reset_quotas(); !reset) return reset.error();
    Experiment alone = experiment;
    alone.sources.clear();
    alone.changes.clear();
    double profile_s = 0;
    for (const LayerProfile& layer : options.profile.layers) profile_s += to_seconds(layer.time);
    for (size_t d = 0; d < alone.devices.size(); ++d) {
        if (!computes(d)) continue;
        ExperimentSource source;
        source.name = "test";
        source.device = d;
        source.rate_per_s = std::clamp(4 * alone.devices[d].speed * alone.devices[d].lanes / profile_s, 1.0, 1000.0);
        alone.sources.push_back(source);
    }
    prepared.policy = PolicyKind::local;
    prepared.partition = PartitionKind::chain;
    prepared.folder += "-measured-" + when;
    const auto planned = make_plan(alone, prepared);
    if (!planned) return planned.error();
    const std::string before = "measuring the devices " + when + " the run: ";
    Nodes nodes(options.node_program, ask());
    if (auto started = start_nodes(nodes, *planned, before); !started) return started.error();
    if (auto formed = wait_for_ring(nodes, before); !formed) return formed.error();
    if (auto read = read_profiles(nodes, made); !read) return read.error();
    tell(before + "running a test source on each");
    if (auto paused = pause(from_seconds(measured_after_s + measured_for_s), &nodes); !paused) return paused.error();
    const double until_s = to_seconds(real_wall_clock());
    if (auto told = stop_cameras(nodes, alone); !told) return told.error();
    if (auto ended = nodes.end(nodes_end_within); !ended) return ended.error();
    const auto records = nodes.records();
    if (!records) return records.error();
    std::vector<double> model_s(experiment.devices.size(), 0);
    for (const ExperimentSource& source : alone.sources) {
        const auto frame_s = seconds_per_frame((*records)[source.device], until_s - measured_for_s, until_s);
        const ExperimentDevice& device = experiment.devices[source.device];
        if (!frame_s)
            return unavailable(fmt::format("{} completed fewer than {} frames in {} s, too few to measure its speed",
                                           device.name, measured_frames_min, measured_for_s));
        model_s[source.device] = *frame_s * device.lanes;
    }
    return model_s;
}

Status Lab::Impl::start_nodes(Nodes& nodes, const LabPlan& planned, const std::string& before) {
    std::vector<Endpoint> seeds;
    for (size_t d = 0; d < planned.devices.size(); ++d) {
        DevicePlan device = planned.devices[d];
        tell(before + fmt::format("starting node {} of {}", d + 1, planned.devices.size()));
        device.node.listen = options.isolated ? Endpoint{network->address(d), node_port} : Endpoint{"127.0.0.1", 0};
        device.node.seeds = seeds;
        if (auto started = nodes.start(device, places[d]); !started) return started;
        if (options.isolated) {
            if (seeds.size() < seeds_max) seeds.push_back(device.node.listen);
        } else if (seeds.empty()) {
            // Its port is the system's choice; all others need it.
            std::optional<std::string> address;
            const Instant given_up = real_now() + ring_forms_within;
            while (!(address = nodes.address(0))) {
                if (auto paused = pause(glance_every, &nodes); !paused) return paused;
                if (real_now() > given_up) return unavailable("the first node does not answer");
            }
            const size_t colon = address->rfind(':');
            seeds.push_back({address->substr(0, colon), static_cast<uint16_t>(std::stoul(address->substr(colon + 1)))});
        }
    }
    return success();
}

Status Lab::Impl::wait_for_ring(Nodes& nodes, const std::string& before) {
    const Instant began = real_now();
    while (!nodes.ring_formed()) {
        if (auto paused = pause(glance_every, &nodes); !paused) return paused;
        tell(before + fmt::format("waiting for the ring, {:.0f} s", to_seconds(real_now() - began)));
        if (real_now() - began > ring_forms_within)
            return unavailable(fmt::format("the ring did not form within {} s", to_seconds(ring_forms_within)));
    }
    return success();
}

Status Lab::Impl::read_profiles(const Nodes& nodes, LabRun& made) const {
    for (size_t d = 0; d < nodes.size(); ++d) {
        if (!computes(d)) continue;
        made.profiles[d] = nodes.measured_profile(d);
        if (made.profiles[d].empty()) return internal(experiment.devices[d].name + " measured no profile");
    }
    return success();
}

Status Lab::Impl::apply_changes(Nodes& nodes, double at_s, size_t& next) {
    for (; next < experiment.changes.size() && experiment.changes[next].at_s <= at_s; ++next) {
        const ExperimentChange& change = experiment.changes[next];
        const ExperimentDevice& device = experiment.devices[change.device];
        if (!computes(change.device)) continue;  // it only relays, at any speed
        auto changed = real() ? groups->set_quota(change.device, quota_of(device, change.speed, plan.quota_factor))
                              : nodes.tell(change.device, fmt::format("replay-speed {}", change.speed));
        if (!changed) return changed;
    }
    return success();
}

Status Lab::Impl::stop_cameras(Nodes& nodes, const Experiment& sources_of) {
    for (size_t d = 0; d < nodes.size(); ++d) {
        const bool has_source = std::any_of(sources_of.sources.begin(), sources_of.sources.end(),
                                            [d](const ExperimentSource& source) { return source.device == d; });
        if (!has_source) continue;
        if (auto told = nodes.tell(d, "stop-cameras"); !told) return told;
    }
    return success();
}

/// From the ring's completion to the last outcome.
Status Lab::Impl::conduct(Nodes& nodes, std::vector<Look>& looks) {
    double slowest = experiment.sources.front().rate_per_s;
    for (const ExperimentSource& source : experiment.sources) slowest = std::min(slowest, source.rate_per_s);
    const double window_ends_s = window_from_s(experiment) + experiment.window_s;
    const bool finite = is_finite(experiment);
    bool stopped = false;
    size_t next_change = 0;
    uint64_t settled_before = 0;
    std::optional<Instant> began;
    Instant settled_at = real_now();
    for (;;) {
        const Instant now = real_now();
        looks.push_back(nodes.look());
        uint64_t captured = 0, in_flight = 0, asked = 0;
        for (const metrics::Report& report : looks.back().reports)
            for (const auto& source : report.sources) {
                captured += source.captured;
                in_flight += source.in_flight;
            }
        for (const ExperimentSource& source : experiment.sources) asked += source.frames.value_or(0);
        if (!began && captured > 0) began = now;
        if (captured - in_flight != settled_before) settled_at = now;
        settled_before = captured - in_flight;
        const double at_s = began ? to_seconds(now - *began) : 0;
        tell(fmt::format("{:.0f} s of {:.0f}{}, {} frames done", at_s, window_ends_s, finite ? " at least" : "",
                         settled_before));
        if (auto changed = apply_changes(nodes, at_s, next_change); !changed) return changed;
        if (!finite && !stopped && at_s > window_ends_s + 1) {
            if (auto told = stop_cameras(nodes, experiment); !told) return told;
            stopped = true;
        } else if (in_flight == 0 && began && (stopped || (finite && captured == asked))) {
            return success();
        }
        if (to_seconds(now - settled_at) > stuck_after_s + 20 / slowest)
            return unavailable(fmt::format("nothing was completed for {:.0f} s, and {} frames are in flight",
                                           to_seconds(now - settled_at), in_flight));
        Instant next = now + (began ? look_every : glance_every * 2);
        if (began && next_change < experiment.changes.size())
            next = std::min(next, *began + from_seconds(experiment.changes[next_change].at_s));
        if (auto paused = pause(std::max(Usec(0), next - real_now()), &nodes); !paused) return paused;
    }
}

Result<LabRun> Lab::Impl::run(PolicyKind policy, SharesKind shares) {
    LabRun made;
    made.started_unix_s = to_seconds(real_wall_clock());
    made.delay_applied = network && network->delay_applied();
    auto prepared = plan_options(policy, shares);
    const auto picture = picture_of(options.profile.layers.front().frontier_bytes);
    if (!picture) return picture.error();
    std::tie(prepared.frame_width, prepared.frame_height) = *picture;
    if (options.isolated) prepared.cluster_key = random_key();
    const auto planned = make_plan(experiment, prepared);
    if (!planned) return planned.error();
    if (auto measured = measure_links(made); !measured) return measured.error();
    made.profiles.resize(experiment.devices.size());
    if (real()) {
        auto measured = measure_real(prepared, "before", made);
        if (!measured) return measured.error();
        made.model_s = std::move(*measured);
    } else if (auto measured = measure_replayed(made); !measured) {
        return measured.error();
    }
    if (auto reset = reset_quotas(); !reset) return reset.error();
    if (auto paused = pause(Usec(0), nullptr); !paused) return paused.error();
    Nodes nodes(options.node_program, ask());
    if (auto started = start_nodes(nodes, *planned); !started) return started.error();
    if (auto formed = wait_for_ring(nodes); !formed) return formed.error();
    std::vector<Look> looks;
    if (auto conducted = conduct(nodes, looks); !conducted) return conducted.error();
    tell("ending the nodes");
    if (auto ended = nodes.end(nodes_end_within); !ended) return ended.error();
    const auto records = nodes.records();
    if (!records) return records.error();
    made.run = gather(experiment, *records, looks);
    if (!real()) return made;
    // A machine shared with others is not as fast a minute later: what the run had is between the two.
    const auto after = measure_real(prepared, "after", made);
    if (!after) return after.error();
    for (size_t d = 0; d < made.model_s.size(); ++d) made.model_s[d] = (made.model_s[d] + (*after)[d]) / 2;
    return made;
}

Lab::Lab(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Lab::~Lab() = default;

Result<std::unique_ptr<Lab>> Lab::open(const Experiment& experiment, LabOptions options) {
    auto impl = std::make_unique<Impl>();
    impl->experiment = experiment;
    impl->options = std::move(options);
    if (auto opened = impl->open(); !opened) return opened.error();
    return std::unique_ptr<Lab>(new Lab(std::move(impl)));
}

Result<LabRun> Lab::run(PolicyKind policy, SharesKind shares) { return impl_->run(policy, shares); }

std::string Lab::folder() const { return impl_->folder->path().string(); }
bool Lab::delay_applied() const { return impl_->network && impl_->network->delay_applied(); }
double Lab::quota_factor() const { return impl_->plan.quota_factor; }

std::vector<std::optional<double>> Lab::quotas_cores() const {
    std::vector<std::optional<double>> quotas;
    for (const DevicePlan& device : impl_->plan.devices) quotas.push_back(device.quota_cores);
    return quotas;
}

std::vector<std::optional<uint64_t>> Lab::memory_limits_mb() const {
    std::vector<std::optional<uint64_t>> limits;
    for (const DevicePlan& device : impl_->plan.devices) limits.push_back(device.memory_mb);
    return limits;
}

std::string Lab::isolation_text() const {
    if (!impl_->options.isolated) return "loopback, links as they are";
    return "network namespaces, " + impl_->groups->kind();
}

}  // namespace eddy::lab
