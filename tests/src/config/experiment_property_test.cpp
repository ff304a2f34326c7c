// Goal: nothing that an experiment's file can say is lost or half understood.
// Method: random experiments are written out and read again; random texts are read.
#include <set>
#include <sstream>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <rapidcheck.h>

#include "tests/src/config/experiment_folder.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

/// Every key written out: what parse_experiment gives, it must give again.
std::string as_toml(const Experiment& experiment) {
    std::ostringstream out;
    out.precision(17);
    out << "[experiment]\nprofile = '" << experiment.profile << "'\nwarm_up_s = " << experiment.warm_up_s
        << "\nwindow_s = " << experiment.window_s
        << "\nlinks = " << (experiment.links == ExperimentLinks::ring ? "'ring'" : "'direct'")
        << "\n[link]\nmbit_per_s = " << experiment.link.mbit_per_s << "\ndelay_ms = " << experiment.link.delay_ms
        << "\n";
    const auto& devices = experiment.devices;
    for (const auto& each : devices)
        out << "[[device]]\nname = '" << each.name << "'\nid = '" << to_string(each.id) << "'\nspeed = " << each.speed
            << "\nlanes = " << each.lanes << "\nmemory_mb = " << each.memory_mb
            << "\nhas_model = " << (each.has_model ? "true" : "false") << "\n";
    for (const auto& each : experiment.links_between)
        out << "[[link_between]]\nfrom = '" << devices[each.from].name << "'\nto = '" << devices[each.to].name
            << "'\none_way = true\nmbit_per_s = " << each.link.mbit_per_s << "\ndelay_ms = " << each.link.delay_ms
            << "\n";
    for (const auto& each : experiment.sources) {
        out << "[[source]]\nname = '" << each.name << "'\ndevice = '" << devices[each.device].name
            << "'\nrate_per_s = " << each.rate_per_s << "\nweight = " << each.weight << "\npriority = " << each.priority
            << "\nreservoir_frames = " << each.reservoir_frames << "\n"
            << "arrivals = " << (each.arrivals == Arrivals::paced ? "'paced'" : "'poisson'") << "\nwhen_full = "
            << std::vector<std::string>{"'block'", "'drop-oldest'", "'drop-newest'"}.at(
                   static_cast<size_t>(each.when_full))
            << "\n";
        if (each.frames) out << "frames = " << *each.frames << "\n";
        if (each.deadline_ms) out << "deadline_ms = " << *each.deadline_ms << "\n";
    }
    for (const auto& each : experiment.changes)
        out << "[[change]]\nat_s = " << each.at_s << "\ndevice = '" << devices[each.device].name
            << "'\nspeed = " << each.speed << "\n";
    return out.str();
}

/// Above 0 and at most `max`.
double positive(double max) { return *rc::gen::inRange(1, 1 << 30) * (max / (1 << 30)); }

Experiment any_experiment(const std::string& profile) {
    Experiment made;
    made.name = "x";
    made.profile = profile;
    made.warm_up_s = positive(100);
    made.window_s = positive(100);
    made.links = *rc::gen::element(ExperimentLinks::ring, ExperimentLinks::direct);
    made.link = {positive(1e6), positive(60000)};
    const auto devices = *rc::gen::inRange<size_t>(1, 6);
    const auto index = [devices] { return *rc::gen::inRange<size_t>(0, devices); };
    for (size_t d = 0; d < devices; ++d) {
        ExperimentDevice each{.name = fmt::format("n{}", d), .speed = positive(1000)};
        each.id.bytes[0] = static_cast<uint8_t>(d);
        each.id.bytes[19] = *rc::gen::arbitrary<uint8_t>();
        each.lanes = *rc::gen::inRange(1U, 65U);
        each.memory_mb = *rc::gen::inRange<uint64_t>(16, 4096);
        each.has_model = d == 0 || *rc::gen::arbitrary<bool>();
        made.devices.push_back(each);
    }
    for (auto n = *rc::gen::inRange(0, 4); n > 0; --n)
        if (const size_t from = index(), to = index(); from != to)
            made.links_between.push_back({from, to, {positive(1e6), positive(60000)}});
    for (auto n = *rc::gen::inRange(1, 5); n > 0; --n) {
        ExperimentSource each{.name = fmt::format("s{}", n), .device = index(), .rate_per_s = positive(1000)};
        each.arrivals = *rc::gen::element(Arrivals::paced, Arrivals::poisson);
        if (*rc::gen::arbitrary<bool>()) each.frames = *rc::gen::inRange<uint64_t>(1, uint64_t{1} << 50);
        each.weight = positive(1e6);
        each.priority = *rc::gen::inRange(0U, 101U);
        each.when_full = *rc::gen::element(WhenFull::block, WhenFull::drop_oldest, WhenFull::drop_newest);
        each.reservoir_frames = *rc::gen::inRange(1U, 4097U);
        if (*rc::gen::arbitrary<bool>()) each.deadline_ms = positive(1e6);
        made.sources.push_back(each);
    }
    double at_s = 0;
    for (auto n = *rc::gen::inRange(0, 4); n > 0; --n)
        made.changes.push_back({at_s += positive(10), index(), positive(1000)});
    return made;
}

}  // namespace

TEST_CASE("an experiment that is written out and read again is the same") {
    const Folder folder;
    const std::string profile = (folder.scratch.folder() / "p.json").string();
    CHECK(rc::check("any experiment", [&] {
        const Experiment experiment = any_experiment(profile);
        const auto read = folder.read(as_toml(experiment));
        if (!read) RC_FAIL(read.error().message);
        RC_ASSERT(*read == experiment);
    }));
}

TEST_CASE("no text whatever gets past as anything but a sound experiment or a message") {
    const Folder folder;
    CHECK(rc::check("pieces of experiments in any order", [&folder] {
        const auto piece = rc::gen::elementOf(std::vector<std::string>{head,
                                                                       device,
                                                                       source,
                                                                       "[[device]]\nname = \"d\"\ncount = 3\n",
                                                                       "[[source]]\nname = \"t\"\ncount = 2\n",
                                                                       "device = \"d1\"\n",
                                                                       "every = 2\n",
                                                                       "[[change]]\n",
                                                                       "at_s = 5\n",
                                                                       "speed = ",
                                                                       "0\n",
                                                                       "2.5\n",
                                                                       "-1\n",
                                                                       "[[link_between]]\nfrom = \"d1\"\n",
                                                                       "to = \"a\"\n",
                                                                       "delay_ms = 1\n",
                                                                       "device = []\n",
                                                                       "[link]\n",
                                                                       "id = \"" + hex_id("1") + "\"\n",
                                                                       "[device]\n",
                                                                       "[[link]]\n",
                                                                       "{",
                                                                       "]",
                                                                       "=",
                                                                       "\"",
                                                                       "\n",
                                                                       "inf\n",
                                                                       "\x01"});
        std::string text = *rc::gen::elementOf(std::vector<std::string>{"", head, small});
        for (const auto& part : *rc::gen::container<std::vector<std::string>>(piece)) text += part;
        const auto result = folder.read(text);
        if (!result) {
            RC_ASSERT(result.error().message.find("x.toml:") != std::string::npos);
            return;
        }
        const size_t devices = result->devices.size();
        RC_ASSERT(devices >= 1 && devices <= experiment_devices_max);
        RC_ASSERT(!result->sources.empty());
        std::set<NodeId> ids;
        for (const auto& each : result->devices) RC_ASSERT(ids.insert(each.id).second && each.speed > 0);
        for (const auto& each : result->sources) RC_ASSERT(each.device < devices && each.weight > 0);
        for (const auto& each : result->changes) RC_ASSERT(each.device < devices);
        for (const auto& each : result->links_between) RC_ASSERT(each.from < devices && each.to < devices);
    }));
}
