// Goal: whatever a person writes into an experiment's file is either taken as meant or refused with its line and key.
// Method: small files as text; complete messages are compared, since the message is the product.
#include "src/config/experiment.hpp"

#include <sstream>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/src/config/experiment_folder.hpp"

using namespace eddy;
using namespace eddy::config;
using namespace eddy::test;

namespace {

const std::string three = head + "[[device]]\nname = \"d\"\ncount = 3\n";                    // five lines
const std::string three_and_source = three + "[[source]]\nname = \"s\"\ndevice = \"d1\"\n";  // eight lines

}  // namespace

TEST_CASE("a profile, a device and a source are enough, and the rest are the defaults of Experiment") {
    const Folder folder;
    const Experiment experiment = folder.accepted(small);
    const Experiment defaults;
    CHECK(experiment.name == "x");
    CHECK(experiment.title.empty());
    CHECK(experiment.profile == (folder.scratch.folder() / "p.json").string());
    CHECK(experiment.model.empty());
    CHECK(experiment.warm_up_s == defaults.warm_up_s);
    CHECK(experiment.compute == ExperimentCompute::replayed);
    CHECK(experiment.window_s == defaults.window_s);
    CHECK(experiment.links == defaults.links);
    CHECK(experiment.link == defaults.link);
    REQUIRE(experiment.devices.size() == 1);
    ExperimentDevice expected_device;
    expected_device.name = "a";
    expected_device.id = experiment.devices[0].id;
    CHECK(experiment.devices[0] == expected_device);
    REQUIRE(experiment.sources.size() == 1);
    ExperimentSource expected_source;
    expected_source.name = "s";
    expected_source.weight = expected_source.rate_per_s;
    CHECK(experiment.sources[0] == expected_source);
}

TEST_CASE("the defaults that an experiment's reference prints are the ones that an empty table gets") {
    const Folder folder;
    std::string text = small;
    size_t defaults = 0;
    for (const char* table : {"experiment", "link", "device", "source"}) {
        std::string lines;
        for (const KeyHelp& key : experiment_keys()) {
            CHECK_FALSE(key.help.empty());
            if (key.table != table || key.default_value.empty()) continue;
            lines += key.key + " = " + key.default_value + "\n";
            ++defaults;
        }
        const std::string bracketed = fmt::format("[{}]", table);
        const size_t at = text.find(bracketed);
        if (at == std::string::npos)
            text += bracketed + "\n" + lines;
        else
            text.insert(text.find('\n', at) + 1, lines);
    }
    CHECK(defaults >= 14);
    CHECK(folder.accepted(text) == folder.accepted(small));
}

TEST_CASE("an experiment's reference is itself TOML, names every key, and lacks only what is required") {
    const Folder folder;
    const std::string text = experiment_reference();
    for (const KeyHelp& key : experiment_keys()) {
        CHECK(text.find("\n# " + key.key + ": ") != std::string::npos);
        CHECK(text.find(key.allowed) != std::string::npos);
    }
    const std::string message = folder.refusal(text);
    CHECK(message.find("unknown") == std::string::npos);
    CHECK(message.find("[[change]] at_s: found nothing") != std::string::npos);
}

const std::string everything = R"(
[experiment]
title = "All of it"
model = "models/../models/m.pt"
compute = "real"
warm_up_s = 0
window_s = 61.5
links = "direct"
[link]
mbit_per_s = 20
delay_ms = 2
[[device]]
name = "a"
id = "00000000000000000000000000000000000000ff"
speed = 0.25
lanes = 2
memory_mb = 64
[[device]]
name = "b"
count = 2
has_model = false
[[link_between]]
from = "a"
to = "b2"
one_way = true
mbit_per_s = 5
[[link_between]]
from = "b1"
to = "a"
delay_ms = 0
[[source]]
name = "s"
count = 2
device = "a"
every = 2
rate_per_s = 12.5
arrivals = "poisson"
frames = 100
weight = 3
priority = 4
when_full = "drop-newest"
reservoir_frames = 9
deadline_ms = 250.5
[[change]]
at_s = 30
device = "b1"
speed = 0.5
[[change]]
at_s = 20
device = "a"
speed = 2
)";

TEST_CASE("every key of an experiment reaches its member") {
    const Folder folder;
    folder.scratch.write("models/m.pt", "x");
    for (const KeyHelp& key : experiment_keys())
        if (key.key != "profile") CHECK_MESSAGE(everything.find("\n" + key.key + " = ") != std::string::npos, key.key);
    const Experiment experiment = folder.accepted(everything);
    CHECK(experiment.title == "All of it");
    CHECK(experiment.profile.empty());
    CHECK(experiment.model == (folder.scratch.folder() / "models/m.pt").string());
    CHECK(experiment.compute == ExperimentCompute::real);
    CHECK(experiment.warm_up_s == 0);
    CHECK(experiment.window_s == 61.5);
    CHECK(experiment.links == ExperimentLinks::direct);
    CHECK(experiment.link == ExperimentLink{20, 2});
    REQUIRE(experiment.devices.size() == 3);
    CHECK(to_string(experiment.devices[0].id) == hex_id("ff"));
    CHECK(experiment.devices[0].speed == 0.25);
    CHECK(experiment.devices[0].lanes == 2);
    CHECK(experiment.devices[0].memory_mb == 64);
    CHECK(experiment.devices[0].has_model);
    CHECK(experiment.devices[1].name == "b1");
    CHECK(experiment.devices[2].name == "b2");
    CHECK_FALSE(experiment.devices[2].has_model);
    CHECK(experiment.link_between(0, 2) == ExperimentLink{5, 2});
    CHECK(experiment.link_between(2, 0) == ExperimentLink{20, 2});
    CHECK(experiment.link_between(0, 1) == ExperimentLink{20, 0});
    CHECK(experiment.link_between(1, 0) == ExperimentLink{20, 0});
    const ExperimentSource first{.name = "s1",
                                 .device = 0,
                                 .rate_per_s = 12.5,
                                 .arrivals = Arrivals::poisson,
                                 .frames = 100,
                                 .weight = 3,
                                 .priority = 4,
                                 .when_full = WhenFull::drop_newest,
                                 .reservoir_frames = 9,
                                 .deadline_ms = 250.5};
    REQUIRE(experiment.sources.size() == 2);
    CHECK(experiment.sources[0] == first);
    CHECK(experiment.sources[1].name == "s2");
    CHECK(experiment.sources[1].device == 2);
    CHECK(experiment.changes == std::vector<ExperimentChange>{{20, 0, 2}, {30, 1, 0.5}});
}

TEST_CASE("ids that are not given lie evenly round the circle, in the order of the file") {
    const Folder folder;
    const Experiment experiment =
        folder.accepted(head + "[[device]]\nname = \"d\"\ncount = 64\n[[source]]\nname = \"s\"\ndevice = \"d64\"\n");
    REQUIRE(experiment.devices.size() == 64);
    for (size_t d = 0; d < 64; ++d) {
        // The middle of the d-th part of 256/64 values of the first byte.
        CHECK(experiment.devices[d].id.bytes[0] == 4 * d + 2);
        CHECK(experiment.devices[d].id.bytes[1] == 0);
    }
    CHECK(experiment.sources[0].device == 63);
    const Experiment thirds = folder.accepted(three_and_source);
    CHECK(to_string(thirds.devices[0].id) == "2" + std::string(39, 'a'));
    CHECK(to_string(thirds.devices[1].id) == "8" + std::string(39, '0'));
    CHECK(to_string(thirds.devices[2].id) == "d" + std::string(39, '5'));
}

TEST_CASE("a count numbers its devices even if it is one, and no count leaves the name as it is") {
    const Folder folder;
    const std::string counted = "[[device]]\nname = \"a\"\ncount = 1\n";
    CHECK(folder.accepted(head + counted + "[[source]]\nname = \"s\"\ndevice = \"a1\"\n").devices[0].name == "a1");
    CHECK(folder.accepted(small).devices[0].name == "a");
}

TEST_CASE("several sources may share a device, and no more than there are devices may spread") {
    const Folder folder;
    const Experiment together = folder.accepted(three_and_source + "count = 5\nevery = 0\n");
    REQUIRE(together.sources.size() == 5);
    CHECK(together.sources[4].name == "s5");
    CHECK(together.sources[4].device == 0);
    CHECK(folder.accepted(three_and_source + "count = 3\n").sources[2].device == 2);
    CHECK(folder.refusal(three_and_source + "count = 4\n") ==
          "x.toml:9: [[source]] count: found \"s4\" beyond the last device, allowed: as many as there are devices for, "
          "3 from d1 on");
}

TEST_CASE("of two tables for one direction the later one counts") {
    const Folder folder;
    const std::string both = "[[link_between]]\nfrom = \"d1\"\nto = \"d2\"\nmbit_per_s = 5\n";
    const std::string back = "[[link_between]]\nfrom = \"d2\"\nto = \"d1\"\none_way = true\nmbit_per_s = 7\n";
    const Experiment experiment = folder.accepted(three_and_source + both + back);
    CHECK(experiment.link_between(0, 1).mbit_per_s == 5);
    CHECK(experiment.link_between(1, 0).mbit_per_s == 7);
    CHECK(experiment.link_between(1, 2).mbit_per_s == 100);
}

TEST_CASE("numbers out of range are refused with file, line and key") {
    const Folder folder;
    const auto wrong = [&](const std::string& after, const std::string& line) {
        return folder.refusal(after + line + "\n");
    };
    const std::string on_device = head + source + device;  // the device is last
    const std::string positive = "allowed: a number above 0 and at most ";
    for (const std::string value : {"0", "-1", "-0.0", "nan", "inf", "1000.5"})
        CHECK(wrong(on_device, "speed = " + value).find("x.toml:8: [[device]] speed: found ") == 0);
    CHECK(wrong(on_device, "speed = -1") == "x.toml:8: [[device]] speed: found -1, " + positive + "1000");
    CHECK(wrong(small, "[link]\nmbit_per_s = 0") == "x.toml:9: [link] mbit_per_s: found 0, " + positive + "1000000");
    CHECK(wrong(small, "[link]\nmbit_per_s = -5.5").find("found -5.5") != std::string::npos);
    CHECK(wrong(small, "[link]\ndelay_ms = -1") ==
          "x.toml:9: [link] delay_ms: found -1, allowed: a number from 0 to 60000");
    CHECK(wrong(small, "rate_per_s = 0") == "x.toml:8: [[source]] rate_per_s: found 0, " + positive + "1000");
    CHECK(wrong(small, "weight = 0") == "x.toml:8: [[source]] weight: found 0, " + positive + "1000000");
    CHECK(wrong(small, "priority = 101") ==
          "x.toml:8: [[source]] priority: found 101, allowed: a whole number from 0 to 100");
    CHECK(wrong(small, "frames = 0").find("x.toml:8: [[source]] frames: found 0") == 0);
    CHECK(wrong(small, "arrivals = \"often\"") ==
          "x.toml:8: [[source]] arrivals: found \"often\", allowed: \"paced\" or \"poisson\"");
    CHECK(wrong(on_device, "lanes = 0").find("x.toml:8: [[device]] lanes: found 0") == 0);
    CHECK(wrong(on_device, "count = 65") ==
          "x.toml:8: [[device]] count: found 65, allowed: a whole number from 1 to 64");
    CHECK(wrong(on_device, "id = \"12\"") ==
          "x.toml:8: [[device]] id: found \"12\", allowed: a text of 40 hexadecimal digits");
    const std::string pair = three_and_source + "[[link_between]]\nfrom = \"d1\"\nto = \"d2\"\n";
    CHECK(wrong(pair, "mbit_per_s = 0") == "x.toml:12: [[link_between]] mbit_per_s: found 0, " + positive + "1000000");
    const std::string change = small + "[[change]]\nat_s = 1\ndevice = \"a\"\n";
    CHECK(wrong(change, "speed = 0") == "x.toml:11: [[change]] speed: found 0, " + positive + "1000");
    CHECK(wrong("[experiment]\nwindow_s = 0\nprofile = \"p.json\"\n" + device, source) ==
          "x.toml:2: [experiment] window_s: found 0, " + positive + "86400");
}

TEST_CASE("unknown keys and tables are refused, and the likely one is named") {
    const Folder folder;
    CHECK(folder.refusal(small + "rate = 5\nrate_pers = 7\n").find("(did you mean rate_per_s?)") != std::string::npos);
    CHECK(folder.refusal(small + "[link]\nmbits_per_s = 5\n") ==
          "x.toml:9: [link] mbits_per_s: found an unknown key, allowed: mbit_per_s, delay_ms (did you mean "
          "mbit_per_s?)");
    CHECK(folder.refusal(small + "lanes = 5\n").find("(lanes belongs in [[device]])") != std::string::npos);
    CHECK(folder.refusal(small + "[[links_between]]\nfrom = \"a\"\n") ==
          "x.toml:8: [links_between]: found an unknown table, allowed: [experiment], [link], [[device]], "
          "[[link_between]], [[source]], [[change]] (did you mean [[link_between]]?)");
    CHECK(folder.refusal(head + "[device]\nname = \"a\"\n" + source)
              .find("x.toml:3: [[device]]: found a table, allowed: one [[device]] (two brackets) a device, or several "
                    "equal ones") == 0);
}

TEST_CASE("a name that is no device's is refused, and the likely one is named") {
    const Folder folder;
    CHECK(folder.refusal(three + "[[source]]\nname = \"s\"\ndevice = \"d11\"\n") ==
          "x.toml:8: [[source]] device: found \"d11\", which is no device, allowed: d1, d2, d3 (did you mean d1?)");
    CHECK(folder.refusal(three_and_source + "[[change]]\nat_s = 5\ndevice = \"kitchen\"\nspeed = 1\n") ==
          "x.toml:11: [[change]] device: found \"kitchen\", which is no device, allowed: d1, d2, d3");
    CHECK(folder.refusal(three_and_source + "[[link_between]]\nfrom = \"x\"\nto = \"y\"\ndelay_ms = 1\n") ==
          "x.toml:10: [[link_between]] from: found \"x\", which is no device, allowed: d1, d2, d3\n"
          "x.toml:11: [[link_between]] to: found \"y\", which is no device, allowed: d1, d2, d3");
    CHECK(
        folder.refusal(head + "[[device]]\nname = \"d\"\ncount = 20\n" + "[[source]]\nname = \"s\"\ndevice = \"zzz\"\n")
            .find("allowed: d1, d2, d3, d4, d5, d6, d7, d8 …") != std::string::npos);
}

TEST_CASE("devices that were refused make no names unknown") {
    const Folder folder;
    const std::string on_d3 = "[[source]]\nname = \"s\"\ndevice = \"d3\"\n";
    for (const std::string wrong : {"name = \"d\"\ncount = 0\n", "name = \"d 3\"\n", "names = \"d3\"\n"})
        CHECK(folder.refusal(head + device + "[[device]]\n" + wrong + on_d3).find("which is no device") ==
              std::string::npos);
    CHECK(folder.refusal(small + "count = 3\n[[device]]\nname = \"b\"\ncount = 0\n") ==
          "x.toml:11: [[device]] count: found 0, allowed: a whole number from 1 to 64");
    CHECK(folder.refusal(head + "[[device]]\nname = \"d2\"\n" + "[[device]]\nname = \"d\"\ncount = 3\n" + on_d3) ==
          "x.toml:6: [[device]] name: found \"d2\" a second time, allowed: a name that no other device has");
    CHECK(folder.refusal(head + "[[device]]\nname = \"a b\"\n" + device + "[[source]]\nname = \"s\"\ndevice = \"ab\"\n")
              .find("which is no device") == std::string::npos);
}

TEST_CASE("names and ids are given once") {
    const Folder folder;
    CHECK(folder.refusal(small + device) ==
          "x.toml:9: [[device]] name: found \"a\" a second time, allowed: a name that no other device has");
    CHECK(folder.refusal(small + source) ==
          "x.toml:9: [[source]] name: found \"s\" a second time, allowed: a name that no other source has");
    CHECK(folder.refusal(three_and_source + "[[device]]\nname = \"d2\"\n")
              .find("x.toml:10: [[device]] name: found \"d2\"") == 0);
    const std::string ids = "id = \"" + hex_id("7") + "\"\n";
    CHECK(folder.refusal(small + "[[device]]\nname = \"b\"\n" + ids + "[[device]]\nname = \"c\"\n" + ids) ==
          "x.toml:13: [[device]] id: found the id of \"b\" a second time, allowed: an id that no other device has");
    // The first of two that is not given is 40…; who wrote it is to blame, wherever it stands.
    const std::string forty = "id = \"4" + std::string(39, '0') + "\"\n";
    CHECK(folder.refusal(small + "[[device]]\nname = \"b\"\n" + forty) ==
          "x.toml:10: [[device]] id: found the id of \"a\" a second time, allowed: an id that no other device has");
    const std::string second = "id = \"c" + std::string(39, '0') + "\"\n";
    CHECK(folder.refusal(head + device + second + "[[device]]\nname = \"b\"\n" + source) ==
          "x.toml:5: [[device]] id: found the id of \"b\" a second time, allowed: an id that no other device has");
    CHECK(folder.refusal(three_and_source + "[[device]]\nname = \"e\"\ncount = 2\n" + ids) ==
          "x.toml:12: [[device]] id: found one id for 2 devices, allowed: an id for a single device");
}

TEST_CASE("an experiment has a device with the model, a source, and as many as can be handled") {
    const Folder folder;
    CHECK(folder.refusal(head) ==
          "x.toml:1: [[device]]: found none, allowed: at least one device\n"
          "x.toml:1: [[source]]: found none, allowed: at least one source");
    CHECK(folder.refusal("device = []\nsource = []\n" + head).find("found none, allowed: at least one device") !=
          std::string::npos);
    CHECK(folder.refusal(head + device) == "x.toml:1: [[source]]: found none, allowed: at least one source");
    CHECK(folder.refusal(head + device + "has_model = false\n" + source) ==
          "x.toml:5: [[device]] has_model: found false for every device, allowed: at least one device with the model");
    CHECK(folder.refusal(small + "[[device]]\nname = \"d\"\ncount = 64\n") ==
          "x.toml:10: [[device]] count: found too many devices, allowed: at most 64 altogether");
    CHECK(folder.refusal(small + "[[source]]\nname = \"t\"\ndevice = \"a\"\nevery = 0\ncount = 256\n") ==
          "x.toml:12: [[source]] count: found too many sources, allowed: at most 256 altogether");
    std::string many = head + source;
    for (int i = 0; i < 65; ++i) many += "[[device]]\nname = \"a" + std::to_string(i) + "\"\n";
    CHECK(folder.refusal(many).find("[[device]]: found 65 such tables, allowed: at most 64") != std::string::npos);
    CHECK(folder.accepted(small + "[[device]]\nname = \"d\"\ncount = 63\n").devices.size() == 64);
}

TEST_CASE("a source on no device, and other missing keys, are reported at their table") {
    const Folder folder;
    CHECK(folder.refusal(head + device + "[[source]]\nname = \"s\"\n")
              .rfind("x.toml:5: [[source]] device: found nothing", 0) == 0);
    CHECK(folder.refusal(small + "[[change]]\ndevice = \"a\"\nspeed = 1\n")
              .rfind("x.toml:8: [[change]] at_s: found nothing", 0) == 0);
    CHECK(folder.refusal(three_and_source + "[[link_between]]\nfrom = \"d1\"\nto = \"d2\"\n") ==
          "x.toml:9: [[link_between]]: found neither mbit_per_s nor delay_ms, allowed: at least one of them");
    CHECK(folder.refusal(three_and_source + "[[link_between]]\nfrom = \"d1\"\nto = \"d1\"\ndelay_ms = 1\n") ==
          "x.toml:11: [[link_between]] to: found \"d1\" at both ends, allowed: two devices");
}

TEST_CASE("a name that gets too long with its number is refused once") {
    const Folder folder;
    const std::string longest(63, 'n');
    const std::string text = head + "[[device]]\nname = \"" + longest + "\"\ncount = 20\n";
    CHECK(folder.refusal(text + "[[source]]\nname = \"s\"\ndevice = \"" + longest + "1\"\n") ==
          "x.toml:4: [[device]] name: found \"" + longest + "10\", allowed: with its number, at most 64 characters");
}

TEST_CASE("there is either a profile or a model, and it exists") {
    const Folder folder;
    CHECK(folder.refusal(device + source) ==
          "x.toml:1: [experiment] profile: found nothing, allowed: a recorded profile; or else model, a TorchScript "
          "file");
    CHECK(folder.refusal("[experiment]\nprofile = \"p.json\"\nmodel = \"p.json\"\n" + device + source) ==
          "x.toml:3: [experiment] model: found both profile and model, allowed: one of the two");
    CHECK(folder.refusal("[experiment]\nprofile = \"none.json\"\n" + device + source) ==
          "x.toml:2: [experiment] profile: found \"none.json\", which does not exist, allowed: a file that exists");
    CHECK(folder.refusal("[experiment]\nmodel = \"../\"\n" + device + source).find("which is not a file") !=
          std::string::npos);
    // A refused value is not called missing as well.
    CHECK(folder.refusal("[experiment]\nprofile = 3\n" + device + source) ==
          "x.toml:2: [experiment] profile: found 3, allowed: a text of 1 to 4096 bytes");
}

TEST_CASE("all problems of an experiment come at once, in the file's order") {
    const Folder folder;
    const std::string message = folder.refusal(R"([experiment]
windows_s = 60
[link]
mbit_per_s = 0
[[device]]
name = "a"
speed = -1
[[source]]
name = "s"
device = "b"
[[change]]
at_s = -1
device = "c"
speed = 1
)");
    std::istringstream lines(message);
    std::string starts;
    for (std::string line; std::getline(lines, line);) starts += line.substr(0, line.find(": found")) + "; ";
    CHECK(starts ==
          "x.toml:1: [experiment] profile; x.toml:2: [experiment] windows_s; x.toml:4: [link] mbit_per_s; "
          "x.toml:7: [[device]] speed; x.toml:10: [[source]] device; x.toml:12: [[change]] at_s; "
          "x.toml:13: [[change]] device; ");
}

TEST_CASE("an experiment's file that is missing, too large or not TOML is refused by name") {
    const Folder folder;
    CHECK(load_experiment(folder.scratch.folder() / "none.toml").error().message.find(": no such file") !=
          std::string::npos);
    CHECK(folder.refusal("[[device]\n").rfind("x.toml:1: not TOML: ", 0) == 0);
    CHECK(folder.refusal(std::string(file_bytes_max + 1, '\n')).find("allowed: at most 1048576") != std::string::npos);
    CHECK(load_experiment(folder.scratch.write("good.v2.toml", small))->name == "good.v2");
}
