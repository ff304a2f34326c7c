// Goal: whatever a person writes into a configuration file is either taken as meant or refused with its line and key.
// Method: small files as text; the complete message is compared, since the message is the product.
#include "src/config/node_config.hpp"

#include <sstream>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "tests/src/config/node_texts.hpp"

using namespace eddy;
using namespace eddy::config;
using eddy::test::accepted;
using eddy::test::named;
using eddy::test::refusal;
using eddy::test::Scratch;

namespace {

std::string with_source(const std::string& lines) {
    return named + "[model]\npath = \"m.pt\"\n[[source]]\nname = \"front\"\n" + lines;  // seven lines, then `lines`
}

}  // namespace

TEST_CASE("a name is enough, and the rest are the defaults of NodeConfig") {
    const Scratch scratch;
    const NodeConfig config = accepted(scratch, named);
    const NodeConfig defaults;
    CHECK(config.name == "a");
    CHECK_FALSE(config.id.has_value());
    CHECK(config.listen == Endpoint{"127.0.0.1", 7070});
    CHECK(config.cluster == "eddy");
    CHECK(config.model_path.empty());
    CHECK(config.limit == defaults.limit);
    CHECK(config.policy == PolicyKind::layered);
    CHECK(config.control_socket == config.data_dir + "/control.sock");
    CHECK(config.data_dir.substr(config.data_dir.size() - 7) == "/eddy/a");
    CHECK(config.sources.empty());
}

TEST_CASE("the defaults that the reference prints are the ones that an empty table gets") {
    const Scratch scratch;
    std::string text;
    std::string table;
    size_t defaults = 0;
    for (const KeyHelp& key : keys()) {
        CHECK_FALSE(key.help.empty());
        if (key.table != table) text += (key.table == "source" ? "[[source]]\n" : "[" + key.table + "]\n");
        table = key.table;
        if (key.required) text += key.key + " = \"" + (key.key == "input" ? "lavfi:testsrc2" : "a") + "\"\n";
        if (key.table == "model") text += "path = \"m.pt\"\n";
        if (key.default_value.empty()) continue;
        text += key.key + " = " + key.default_value + "\n";
        ++defaults;
    }
    CHECK(defaults >= 14);
    scratch.write("m.pt", "");
    const NodeConfig config = accepted(scratch, text);
    const NodeConfig expected;
    CHECK(config.listen == expected.listen);
    CHECK(config.cluster == expected.cluster);
    CHECK(config.seeds == expected.seeds);
    CHECK(config.start_members == expected.start_members);
    CHECK(config.lanes == expected.lanes);
    CHECK(config.threads_per_lane == expected.threads_per_lane);
    CHECK(config.limit == expected.limit);
    CHECK(config.memory_mb == expected.memory_mb);
    CHECK_FALSE(config.custody_mb.has_value());
    CHECK(config.policy == expected.policy);
    CHECK(config.shares == expected.shares);
    CHECK(config.partition == expected.partition);
    CHECK(config.row_planner == expected.row_planner);
    CHECK(config.queue_frames == expected.queue_frames);
    CHECK(config.attempts_max == expected.attempts_max);
    CHECK(config.stop_timeout_s == expected.stop_timeout_s);
    CHECK(config.frame_timeout_s == expected.frame_timeout_s);
    REQUIRE(config.sources.size() == 1);
    const SourceConfig source;
    CHECK(config.sources[0].arrivals == source.arrivals);
    CHECK(config.sources[0].loop == source.loop);
    CHECK(config.sources[0].reservoir_frames == source.reservoir_frames);
    CHECK(config.sources[0].priority == source.priority);
    CHECK_FALSE(config.sources[0].weight.has_value());
}

TEST_CASE("the reference is itself TOML, and names every key with what it allows") {
    const std::string text = reference();
    for (const KeyHelp& key : keys()) {
        CHECK(text.find("\n# " + key.key + ": ") != std::string::npos);
        CHECK(text.find(key.allowed) != std::string::npos);
    }
    // It lacks only what is required.
    const auto result = parse_node_config(text, "reference.toml");
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().message.find("unknown") == std::string::npos);
    CHECK(result.error().message.find("[node] name: found nothing") != std::string::npos);
}

const std::string everything = R"(
[node]
name = "kitchen"
id = "00000000000000000000000000000000000000ff"
zone = "house/2/kitchen"
listen = "0.0.0.0:0"
advertise = "[fe80::1]:7071"
data_dir = "state/x"
control_socket = "/run/eddy.sock"
start_members = 3
[cluster]
name = "home"
key_file = "secret"
seeds = ["10.0.0.2:7070", "cellar.local:7070"]
[model]
path = "models/../models/m.pt"
[compute]
lanes = 2
threads_per_lane = 3
limit = 1
memory_mb = 64
custody_mb = 9
row_profile = "rows/../m.row_profile.json"
[scheduler]
policy = "local"
shares = "measured"
partition = "auto"
row_planner = "equal"
queue_frames = 5
attempts_max = 6
stop_timeout_s = 0
frame_timeout_s = 8.5
[[source]]
name = "film"
input = "film.avi"
rate_per_s = 10
arrivals = "poisson"
frames = 100
loop = true
when_full = "drop-newest"
deadline_ms = 250.5
reservoir_frames = 9
weight = 2.5
priority = 100
[[source]]
name = "door"
input = "rtsp://user:pass@10.0.0.9/stream"
)";

TEST_CASE("a key that no test writes is noticed here") {
    for (const KeyHelp& key : keys())
        if (key.key != "key" && key.key.rfind("replay", 0) != 0)  // exclude key_file and path
            CHECK_MESSAGE(everything.find("\n" + key.key + " = ") != std::string::npos, key.key);
}

TEST_CASE("every key reaches its member") {
    const Scratch scratch;
    scratch.write("models/m.pt", "x");
    scratch.write("m.row_profile.json", "x");
    scratch.write("film.avi", "x");
    scratch.write("secret", "0123456789abcdef\nsecond line\n");
    const NodeConfig config = accepted(scratch, everything);
    CHECK(config.name == "kitchen");
    REQUIRE(config.id.has_value());
    CHECK(config.id->bytes[19] == 0xff);
    CHECK(config.zone == "house/2/kitchen");
    CHECK(config.listen == Endpoint{"0.0.0.0", 0});
    CHECK(config.advertise == Endpoint{"fe80::1", 7071});
    CHECK(config.data_dir == (scratch.folder() / "state/x").string());
    CHECK(config.control_socket == "/run/eddy.sock");
    CHECK(config.start_members == 3);
    CHECK(config.cluster == "home");
    CHECK(config.cluster_key == "0123456789abcdef");
    CHECK(config.seeds == std::vector<Endpoint>{{"10.0.0.2", 7070}, {"cellar.local", 7070}});
    CHECK(config.model_path == (scratch.folder() / "models/m.pt").string());
    CHECK(config.lanes == 2);
    CHECK(config.threads_per_lane == 3);
    CHECK(config.limit == 1.0);
    CHECK(config.memory_mb == 64);
    CHECK(config.custody_mb == uint64_t{9});
    CHECK(config.row_profile == (scratch.folder() / "m.row_profile.json").string());
    CHECK(config.policy == PolicyKind::local);
    CHECK(config.shares == SharesKind::measured);
    CHECK(config.partition == PartitionKind::automatic);
    CHECK(config.row_planner == RowPlannerKind::equal);
    CHECK(config.queue_frames == 5);
    CHECK(config.attempts_max == 6);
    CHECK(config.stop_timeout_s == 0);
    CHECK(config.frame_timeout_s == 8.5);
    REQUIRE(config.sources.size() == 2);
    const SourceConfig& film = config.sources[0];
    CHECK(film.name == "film");
    CHECK(film.input == (scratch.folder() / "film.avi").string());
    CHECK(film.rate_per_s == 10.0);
    CHECK(film.arrivals == Arrivals::poisson);
    CHECK(film.frames == 100U);
    CHECK(film.loop);
    CHECK(film.when_full == WhenFull::drop_newest);
    CHECK(film.deadline_ms == 250.5);
    CHECK(film.reservoir_frames == 9);
    CHECK(film.weight == 2.5);
    CHECK(film.priority == 100);
    CHECK(config.sources[1].input == "rtsp://user:pass@10.0.0.9/stream");
    CHECK_FALSE(config.sources[1].rate_per_s.has_value());
}

TEST_CASE("a full reservoir blocks a file and drops a camera's oldest frame, unless told otherwise") {
    const Scratch scratch;
    scratch.write("m.pt", "");
    scratch.write("film.avi", "");
    const auto when_full = [&](const std::string& lines) {
        return accepted(scratch, with_source(lines)).sources.at(0).when_full;
    };
    CHECK(when_full("input = \"film.avi\"\n") == WhenFull::block);
    CHECK(when_full("input = \"file:film.avi\"\n") == WhenFull::block);
    CHECK(when_full("input = \".\"\n") == WhenFull::block);
    CHECK(when_full("input = \"/dev/video7\"\n") == WhenFull::drop_oldest);
    CHECK(when_full("input = \"rtsp://host/x\"\n") == WhenFull::drop_oldest);
    CHECK(when_full("input = \"lavfi:testsrc2=rate=5\"\n") == WhenFull::drop_oldest);
    CHECK(when_full("input = \"lavfi:testsrc2\"\nwhen_full = \"block\"\n") == WhenFull::block);
}

TEST_CASE("a value out of range names file, line, key, what was found and what is allowed") {
    const Scratch scratch;
    CHECK(refusal(scratch, named + "[compute]\nlimit = 3.5\n") ==
          "node.toml:4: [compute] limit: found 3.5, allowed: a number above 0 and at most 1");
    CHECK(refusal(scratch, named + "[compute]\nlimit = nan\n") ==
          "node.toml:4: [compute] limit: found nan, allowed: a number above 0 and at most 1");
    CHECK(refusal(scratch, named + "[compute]\nlanes = 0\n") ==
          "node.toml:4: [compute] lanes: found 0, allowed: a whole number from 1 to 64");
    CHECK(refusal(scratch, named + "[compute]\nlanes = 2.0\n").find("found 2.0") != std::string::npos);
    CHECK(refusal(scratch, named + "[compute]\nlanes = \"2\"\n").find("found \"2\"") != std::string::npos);
    CHECK(refusal(scratch, named + "[scheduler]\npolicy = \"fastest\"\n") ==
          "node.toml:4: [scheduler] policy: found \"fastest\", allowed: \"local\", \"ddi\", \"ar-mdi\", "
          "\"ms-mdi\" or \"layered\"");
    CHECK(refusal(scratch, named + "[scheduler]\nshares = \"equal\"\n") ==
          "node.toml:4: [scheduler] shares: found \"equal\", allowed: \"parameters\" or \"measured\"");
    CHECK(refusal(scratch, named + "[scheduler]\npartition = \"rows\"\n") ==
          "node.toml:4: [scheduler] partition: found \"rows\", allowed: \"chain\", \"edgeflow\" or \"auto\"");
    CHECK(refusal(scratch, named + "listen = \"127.0.0.1\"\n") ==
          "node.toml:3: [node] listen: found \"127.0.0.1\", allowed: a text \"host:port\" with a port from 0 to 65535");
    CHECK(refusal(scratch, named + "[cluster]\nseeds = [\"127.0.0.1:1\", 5]\n") ==
          "node.toml:4: [cluster] seeds: found 5 in the list, allowed: a list of at most 64 texts \"host:port\"");
    CHECK(refusal(scratch, "[node]\nname = \"a/b\"\n").find("allowed: a text of 1 to 64 letters") != std::string::npos);
    CHECK(refusal(scratch, "[node]\nname = \"..\"\n").find("found \"..\"") != std::string::npos);
}

TEST_CASE("a zone is one to three names, and anything else is refused with its line") {
    const Scratch scratch;
    CHECK(accepted(scratch, named).zone.empty());
    for (const std::string zone : {"house", "house/2", "house/2/kitchen", "a.b/c_d/e-f"})
        CHECK(accepted(scratch, named + "zone = \"" + zone + "\"\n").zone == zone);
    CHECK(refusal(scratch, named + "zone = \"house/2/kitchen/shelf\"\n") ==
          "node.toml:3: [node] zone: found \"house/2/kitchen/shelf\", allowed: a text of 1 to 3 names joined by '/', "
          "each of 1 to 64 letters, digits, '.', '_' or '-'");
    for (const std::string zone : {"", "/", "/house", "house/", "house//kitchen", "a b", "house/..", "küche"})
        CHECK(refusal(scratch, named + "zone = \"" + zone + "\"\n").find("[node] zone: found") != std::string::npos);
    refusal(scratch, named + "zone = \"" + std::string(65, 'x') + "\"\n");
    refusal(scratch, named + "zone = 5\n");
}

TEST_CASE("the boundaries of a range belong to it as stated") {
    const Scratch scratch;
    CHECK(accepted(scratch, named + "[compute]\nlimit = 1.0\nlanes = 64\n").lanes == 64);
    CHECK(accepted(scratch, named + "[scheduler]\nstop_timeout_s = 0\n").stop_timeout_s == 0);
    refusal(scratch, named + "[compute]\nlimit = 0.0\n");
    refusal(scratch, named + "[compute]\nlimit = 1.0000001\n");
    refusal(scratch, named + "[compute]\nlanes = 65\n");
    refusal(scratch, named + "[scheduler]\nframe_timeout_s = 0\n");
    refusal(scratch, named + "[scheduler]\nstop_timeout_s = -0.1\n");
}

TEST_CASE("each policy and way to share is known by its name") {
    const Scratch scratch;
    const auto policy = [&](const std::string& word) {
        return accepted(scratch, named + "[scheduler]\npolicy = \"" + word + "\"\n").policy;
    };
    CHECK(policy("local") == PolicyKind::local);
    CHECK(policy("ddi") == PolicyKind::ddi);
    CHECK(policy("ar-mdi") == PolicyKind::ar_mdi);
    CHECK(policy("ms-mdi") == PolicyKind::ms_mdi);
    CHECK(policy("layered") == PolicyKind::layered);
    CHECK(accepted(scratch, named + "[scheduler]\nshares = \"parameters\"\n").shares == SharesKind::parameters);
}

TEST_CASE("a node replays a profile instead of having a model, cameras or not") {
    const Scratch scratch;
    scratch.write("x.profile.json", "");
    const std::string replay = named + "[compute]\nreplay = \"x.profile.json\"\n";
    const NodeConfig config = accepted(scratch, replay + "[[source]]\nname = \"front\"\ninput = \"lavfi:x\"\n");
    CHECK(config.replay == (scratch.folder() / "x.profile.json").string());
    CHECK(config.replay_speed == 1.0);
    CHECK(config.model_path.empty());
    CHECK(accepted(scratch, named).replay.empty());
    CHECK(accepted(scratch, replay + "replay_speed = 0.125\nlimit = 1.0\n").replay_speed == 0.125);
    CHECK(accepted(scratch, replay + "replay_speed = 1000\n").replay_speed == replay_speed_max);
    for (const std::string value : {"0", "-1", "nan", "1000.5"})
        CHECK(refusal(scratch, replay + "replay_speed = " + value + "\n")
                  .find("[compute] replay_speed: found " + value + ", allowed: a number above 0 and at most 1000") !=
              std::string::npos);
}

TEST_CASE("a replay beside a model or a limit, a speed without one, and a profile that is not there are refused") {
    const Scratch scratch;
    scratch.write("m.pt", "");
    scratch.write("x.profile.json", "");
    const std::string replay = "[compute]\nreplay = \"x.profile.json\"\n";
    CHECK(refusal(scratch, named + replay + "[model]\npath = \"m.pt\"\n") ==
          "node.toml:4: [compute] replay: found both [model] path and [compute] replay, allowed: one of the two");
    CHECK(refusal(scratch, named + replay + "limit = 0.5\n") ==
          "node.toml:5: [compute] limit: found 0.5 together with replay, allowed: 1, or nothing: replay_speed makes a "
          "replayed node slow");
    CHECK(refusal(scratch, named + "[compute]\nreplay_speed = 2\n") ==
          "node.toml:4: [compute] replay_speed: found a speed without replay, allowed: together with replay only");
    CHECK(refusal(scratch, named + "[compute]\nreplay = \"y.json\"\n") ==
          "node.toml:4: [compute] replay: found \"y.json\", which does not exist, allowed: a file that exists");
    CHECK(refusal(scratch, named + "[compute]\nreplay = 5\n").find("[compute] replay: found 5") != std::string::npos);
}

TEST_CASE("a source's weight is above 0 and its priority at most 100") {
    const Scratch scratch;
    scratch.write("m.pt", "");
    const auto with = [](const std::string& line) { return with_source("input = \"lavfi:x\"\n" + line + "\n"); };
    CHECK(accepted(scratch, with("weight = 1e6\npriority = 0")).sources.at(0).weight == 1e6);
    for (const std::string value : {"0", "-1", "nan", "inf", "1000001"})
        CHECK(refusal(scratch, with("weight = " + value)).find("allowed: a number above 0 and at most 1000000") !=
              std::string::npos);
    CHECK(accepted(scratch, with("priority = 100")).sources.at(0).priority == priority_max);
    for (const std::string value : {"-1", "101", "1.5"})
        CHECK(refusal(scratch, with("priority = " + value)) ==
              "node.toml:8: [[source]] priority: found " + value + ", allowed: a whole number from 0 to 100");
}

TEST_CASE("an unknown key is refused, and the likely one is named") {
    const Scratch scratch;
    CHECK(refusal(scratch, named + "[compute]\nlimmit = 0.5\n") ==
          "node.toml:4: [compute] limmit: found an unknown key, allowed: lanes, threads_per_lane, limit, memory_mb, "
          "custody_mb, replay, replay_speed, row_profile (did you mean limit?)");
    CHECK(refusal(scratch, named + "seeds = []\n").find("(seeds belongs in [cluster])") != std::string::npos);
    const std::string foreign = refusal(scratch, named + "colour = 1\n");
    CHECK(foreign.find("found an unknown key") != std::string::npos);
    CHECK(foreign.find('(') == std::string::npos);
}

TEST_CASE("an unknown table and a key outside of tables are refused") {
    const Scratch scratch;
    CHECK(refusal(scratch, named + "[modle]\npath = \"x\"\n") ==
          "node.toml:3: [modle]: found an unknown table, allowed: [node], [cluster], [model], [compute], [scheduler], "
          "[[source]] (did you mean [model]?)");
    CHECK(refusal(scratch, "loose = 1\n" + named) ==
          "node.toml:1: loose: found a key outside of every table, allowed: keys inside a [table] only");
    CHECK(refusal(scratch, named + "[source]\nname = \"front\"\n") ==
          "node.toml:3: [[source]]: found a table, allowed: one [[source]] (two brackets) a camera");
    CHECK(refusal(scratch, "node = 3\n") == "node.toml:1: [node]: found 3, allowed: the table [node]");
}

TEST_CASE("a missing required key is reported at its table") {
    const Scratch scratch;
    CHECK(refusal(scratch, "").rfind("node.toml:1: [node] name: found nothing, allowed: a text", 0) == 0);
    CHECK(
        refusal(scratch, "\n[node]\nlisten = \"127.0.0.1:1\"\n").rfind("node.toml:2: [node] name: found nothing", 0) ==
        0);
    scratch.write("m.pt", "");
    CHECK(refusal(scratch, with_source("")).rfind("node.toml:5: [[source]] input: found nothing", 0) == 0);
}

TEST_CASE("all problems come at once, in the file's order, and a wrong key is not called missing too") {
    const Scratch scratch;
    const std::string message = refusal(scratch, R"([compute]
limit = 7
lames = 2
[node]
name = 5
[scheduler]
queue_frames = 0
)");
    std::istringstream lines(message);
    std::string starts;
    for (std::string line; std::getline(lines, line);) starts += line.substr(0, line.find(": found")) + "; ";
    CHECK(starts ==
          "node.toml:2: [compute] limit; node.toml:3: [compute] lames; node.toml:5: [node] name; "
          "node.toml:7: [scheduler] queue_frames; ");
}

TEST_CASE("listening beyond loopback needs a key and an address that can be dialled") {
    const Scratch scratch;
    CHECK(refusal(scratch, named + "listen = \"192.168.1.4:7070\"\n") ==
          "node.toml:3: [node] listen: found \"192.168.1.4:7070\" without a key, allowed: a loopback address such as "
          "\"127.0.0.1:7070\", or any with [cluster] key or key_file");
    const std::string key = "[cluster]\nkey = \"0123456789abcdef\"\n";
    CHECK(accepted(scratch, named + "listen = \"192.168.1.4:7070\"\n" + key).cluster_key == "0123456789abcdef");
    CHECK(refusal(scratch, named + "listen = \"0.0.0.0:7070\"\n" + key) ==
          "node.toml:3: [node] listen: found \"0.0.0.0:7070\" without advertise, allowed: an address that others can "
          "dial, or any with [node] advertise");
    CHECK(refusal(scratch, named + "[cluster]\nseeds = [\"10.0.0.1:7070\"]\n") ==
          "node.toml:4: [cluster] seeds: found \"10.0.0.1:7070\" while [node] listen is on loopback, allowed: seeds on "
          "loopback, or a [node] listen that they can reach");
}

TEST_CASE("a cluster key is never shown, may come from a file, and must be long enough") {
    const Scratch scratch;
    const std::string short_key = refusal(scratch, named + "[cluster]\nkey = \"hunter2\"\n");
    CHECK(short_key ==
          "node.toml:4: [cluster] key: found a text of 7 characters, allowed: a text of at least 16 characters");
    CHECK(refusal(scratch, named + "[cluster]\nkey_file = \"none\"\n") ==
          "node.toml:4: [cluster] key_file: found \"none\", which does not exist, allowed: a file that exists");
    CHECK(refusal(scratch, named + "[cluster]\nkey_file = \".\"\n").find("which is not a file") != std::string::npos);
    scratch.write("weak", "short\nbut the second line is long enough\n");
    CHECK(refusal(scratch, named + "[cluster]\nkey_file = \"weak\"\n").find("whose first line has 5 characters") !=
          std::string::npos);
    scratch.write("good", "0123456789abcdef\r\n");
    CHECK(accepted(scratch, named + "[cluster]\nkey_file = \"good\"\n").cluster_key == "0123456789abcdef");
    CHECK(refusal(scratch, named + "[cluster]\nkey_file = \"good\"\nkey = \"0123456789abcdef\"\n")
              .find("found both key and key_file, allowed: one of the two") != std::string::npos);
}

TEST_CASE("files that a node needs must exist, seen from the configuration's folder") {
    const Scratch scratch;
    CHECK(refusal(scratch, named + "[model]\npath = \"m.pt\"\n") ==
          "node.toml:4: [model] path: found \"m.pt\", which does not exist, allowed: a file that exists");
    scratch.write("m.pt", "");
    CHECK(refusal(scratch, with_source("input = \"film.avi\"\n")) ==
          "node.toml:7: [[source]] input: found \"film.avi\", which does not exist, allowed: a file or folder that "
          "exists, rtsp://…, /dev/video0 or lavfi:…");
    CHECK(refusal(scratch, named + "[[source]]\nname = \"f\"\ninput = \"lavfi:testsrc\"\n") ==
          "node.toml:1: [model] path: found nothing, allowed: the model's file, since this node has a [[source]]");
    CHECK(refusal(scratch, with_source("input = \"/dev/video0\"\nloop = true\n")) ==
          "node.toml:8: [[source]] loop: found true for the live input \"/dev/video0\", allowed: true for files and "
          "folders only");
}

TEST_CASE("two sources of one name are refused at the second") {
    const Scratch scratch;
    scratch.write("m.pt", "");
    CHECK(refusal(scratch,
                  with_source("input = \"/dev/video0\"\n[[source]]\nname = \"front\"\ninput = \"/dev/video1\"\n")) ==
          "node.toml:9: [[source]] name: found \"front\" a second time, allowed: a name that no other source of this "
          "node has");
}

TEST_CASE("a control socket's path that no system would take is refused") {
    const Scratch scratch;
    const std::string longest(100, 'x');
    const std::string message = refusal(scratch, named + "data_dir = \"/" + longest + "\"\n");
    CHECK(message.rfind("node.toml:3: [node] data_dir: found a socket path of 114 bytes", 0) == 0);
    CHECK(message.find("allowed: at most 103 bytes") != std::string::npos);
}

TEST_CASE("what is not TOML is refused with its line") {
    const Scratch scratch;
    CHECK(refusal(scratch, "[node]\nname = \n").rfind("node.toml:2: not TOML: ", 0) == 0);
    CHECK(refusal(scratch, named + named).rfind("node.toml:3: not TOML: ", 0) == 0);
    CHECK(refusal(scratch, "a = " + std::string(10000, '[')).rfind("node.toml:1: not TOML: ", 0) == 0);
    CHECK(refusal(scratch, std::string("\xff\xfe\x00\x00", 4)).rfind("node.toml:1: not TOML: ", 0) == 0);
    CHECK(refusal(scratch, std::string(file_bytes_max + 1, '\n')).find("allowed: at most 1048576") !=
          std::string::npos);
}

TEST_CASE("a file that is missing, a folder or too large is refused by name") {
    const Scratch scratch;
    const auto message = [](const std::filesystem::path& path) { return load_node_config(path).error().message; };
    CHECK(message(scratch.folder() / "none.toml") == (scratch.folder() / "none.toml").string() + ": no such file");
    CHECK(message(scratch.folder()).find(": not a file") != std::string::npos);
    CHECK(message(scratch.write("big.toml", std::string(file_bytes_max + 5, '#'))).find("allowed: at most") !=
          std::string::npos);
    CHECK(load_node_config(scratch.write("good.toml", named)).ok());
}

TEST_CASE("no text whatever gets past as anything but a configuration or a message") {
    const Scratch scratch;
    CHECK(rc::check("pieces of configurations in any order", [&scratch] {
        const auto piece = rc::gen::element<std::string>(
            "[node]\n", "name = \"a\"\n", "[[source]]\n", "[source]\n", "[compute]\n", "limit = ", "0.5\n", "-1\n",
            "[[node]]\n", "source = 3\n", "[cluster]\nseeds = [", "\"127.0.0.1:7\"", "]\n", "{", "}", "=", "\"", "\n",
            "1979-05-27T07:32:00Z\n", "inf\n", "input = \"lavfi:x\"\n", "\x01", "[model]\n", "path = \"\"\n");
        std::string text;
        for (const auto& part : *rc::gen::container<std::vector<std::string>>(piece)) text += part;
        const auto result = parse_node_config(text, scratch.folder() / "node.toml");
        if (result.ok())
            RC_ASSERT(!result->name.empty());
        else
            RC_ASSERT(result.error().message.find("node.toml:") != std::string::npos);
    }));
}
