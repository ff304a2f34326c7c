#include "src/control/status.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck.h>

using namespace eddy::control;

namespace {

NodeStatus sample() {
    NodeStatus status;
    status.name = "a";
    status.id = "00112233445566778899aabbccddeeff00112233";
    status.cluster = "porch";
    status.incarnation = 4;
    status.uptime_s = 75.25;
    status.address = "127.0.0.1:7070";
    status.model = "ssdlite";
    status.chain_hash = std::string(64, 'c');
    status.ring_epoch = 7;
    RingMember self{status.id, "a", status.address, 75, 3.25e-9, true, false, false};
    self.incarnation = 4;
    self.chain_hash = status.chain_hash;
    self.backlog = {{"front", 2}, {"b#0", 40}};
    RingMember other{"aabbccddeeff0011223300112233445566778899", "b", "127.0.0.1:7071", 62, 0, false, true, true};
    other.incarnation = 9;
    other.heard_ms_ago = 120.4;
    other.round_trip_ms = 1.26;
    other.bandwidth_bytes_per_s = 2.5e6;
    other.backlog.emplace();
    status.ring = {self, other};
    status.unreached = {{"10.0.0.7:7070", "timeout", "no answer", 3.5}};
    status.queues = {{"front", "reservoir", 1, 8}, {"front", "distributed", 2, 0}};
    status.custody = CustodyCounts{3, 1'234'567, 64'000'000, 7, 1};
    status.sources = {{"front", "live", 150, 149, 140, 2, 5, 3, 4.6666, 412.5}, {"yard", "ended"}};
    status.sources[0].earlier_lives = eddy::journal::Totals{30, 27, 20, 4, 6};
    status.journal_problem = "No space left on device";
    return status;
}

}  // namespace

TEST_CASE("reading a written status gives the same one, and it is one line") {
    const std::string text = to_json(sample());
    CHECK(text.find('\n') == text.size() - 1);
    CHECK(*from_json(text) == sample());
    CHECK(*from_json(to_json(NodeStatus{})) == NodeStatus{});
    NodeStatus latin = sample();
    latin.ring[1].name = "caf\xe9";
    CHECK(from_json(to_json(latin)).ok());
}

TEST_CASE("the marks of a ring member are told apart") {
    for (const int mark : {0, 1, 2}) {
        NodeStatus status;
        status.ring.resize(1);
        status.ring[0].self = mark == 0;
        status.ring[0].successor = mark == 1;
        status.ring[0].predecessor = mark == 2;
        CHECK(*from_json(to_json(status)) == status);
    }
}

TEST_CASE("every member that a tool relies on is in the JSON") {
    const auto json = nlohmann::json::parse(to_json(sample()));
    CHECK(json.at("schema") == "eddy.status/1");
    CHECK(json.at("incarnation") == 4);
    CHECK(json.at("uptime_s") == 75.25);
    CHECK(json.at("ring").at(1).at("successor") == true);
    CHECK(json.at("ring").at(0).at("gamma_s_per_parameter") == 3.25e-9);
    CHECK(json.at("ring").at(0).at("backlog").at(1).at("frames") == 40);
    CHECK(json.at("ring").at(1).at("round_trip_ms") == 1.26);
    CHECK(json.at("ring").at(1).at("bandwidth_bytes_per_s") == 2.5e6);
    CHECK(json.at("ring_epoch") == 7);
    CHECK(json.at("unreached").at(0).at("problem") == "timeout");
    CHECK(json.at("queues").at(0).at("frames_max") == 8);
    CHECK(json.at("custody") ==
          nlohmann::json{
              {"frames", 3}, {"bytes", 1'234'567}, {"bytes_max", 64'000'000}, {"returned", 7}, {"evicted", 1}});
    CHECK(json.at("sources").at(0).at("in_flight") == 3);
    CHECK(json.at("sources").at(0).at("earlier_lives") ==
          nlohmann::json{{"captured", 30}, {"admitted", 27}, {"completed", 20}, {"failed", 4}, {"dropped", 6}});
    CHECK(json.at("sources").at(1).at("earlier_lives").is_null());
    CHECK(json.at("journal_problem") == "No space left on device");
}

TEST_CASE("what is no status is refused with its place") {
    const auto refused = [](const char* pointer, const nlohmann::json& value) {
        auto json = nlohmann::json::parse(to_json(sample()));
        json[nlohmann::json::json_pointer(pointer)] = value;
        const auto result = from_json(json.dump());
        return result.ok() ? std::string("accepted") : result.error().message;
    };
    CHECK(refused("/schema", "eddy.report/1") == "status.schema: allowed: \"eddy.status/1\"");
    CHECK(refused("/incarnation", -1) == "status.incarnation: allowed: a whole number of at least 0");
    CHECK(refused("/ring/1/age_s", "old") == "status.ring[1].age_s: allowed: a number");
    CHECK(refused("/ring/0/self", 1) == "status.ring[0].self: allowed: true or false");
    CHECK(refused("/ring/1/heard_ms_ago", "long") == "status.ring[1].heard_ms_ago: allowed: a number");
    CHECK(refused("/ring/0/backlog", 2) == "status.ring[0].backlog: allowed: a list of at most 4096");
    CHECK(refused("/ring/0/backlog/1/frames", "x") ==
          "status.ring[0].backlog[1].frames: allowed: a whole number of at least 0");
    CHECK(refused("/ring_epoch", 1.5) == "status.ring_epoch: allowed: a whole number of at least 0");
    CHECK(refused("/unreached/0", "x") == "status.unreached[0]: allowed: an object");
    CHECK(refused("/custody/evicted", -1) == "status.custody.evicted: allowed: a whole number of at least 0");
    CHECK(refused("/queues", nullptr) == "status.queues: allowed: a list of at most 4096");
    CHECK(refused("/sources/1", 5) == "status.sources[1]: allowed: an object");
    for (const std::string& text :
         {std::string(), std::string("{}"), std::string(100000, '['), std::string(status_bytes_max + 1, ' ')})
        CHECK_FALSE(from_json(text).ok());
}

TEST_CASE("a status altered in any byte is read or refused, and whatever is read can be shown") {
    const std::string text = to_json(sample());
    CHECK(rc::check("one byte altered", [&text] {
        std::string altered = text;
        altered[*rc::gen::inRange<size_t>(0, text.size())] = *rc::gen::arbitrary<char>();
        const auto result = from_json(altered);
        if (result.ok()) RC_ASSERT(!print_tables(*result).empty());
    }));
}

TEST_CASE("a status of an older node, without what came later, is read") {
    auto json = nlohmann::json::parse(to_json(sample()));
    for (const char* key : {"chain_hash", "ring_epoch", "unreached", "custody"}) json.erase(key);
    for (auto& member : json["ring"])
        for (const char* key :
             {"incarnation", "heard_ms_ago", "round_trip_ms", "bandwidth_bytes_per_s", "chain_hash", "backlog"})
            member.erase(key);
    const auto status = from_json(json.dump());
    REQUIRE(status.ok());
    CHECK(status->ring_epoch == 0);
    CHECK(status->unreached.empty());
    CHECK_FALSE(status->custody.has_value());
    CHECK(print_tables(*status).find("custody") == std::string::npos);
    CHECK(status->ring.at(1).name == "b");
    CHECK_FALSE(status->ring.at(1).heard_ms_ago.has_value());
    CHECK_FALSE(status->ring.at(1).backlog.has_value());
}

TEST_CASE("what is not known is null, which differs from nothing waiting") {
    NodeStatus status = sample();
    status.ring[1].backlog.reset();
    status.ring[1].round_trip_ms.reset();
    const auto json = nlohmann::json::parse(to_json(status));
    CHECK(json.at("ring").at(1).at("backlog").is_null());
    CHECK(json.at("ring").at(1).at("round_trip_ms").is_null());
    CHECK(*from_json(to_json(status)) == status);
    CHECK(nlohmann::json::parse(to_json(sample())).at("ring").at(1).at("backlog").empty());
    CHECK(*from_json(to_json(sample())) != status);
}

TEST_CASE("the tables show ring, what is not reached, sources and queues in order, with units") {
    CHECK(print_tables(sample()) ==
          "a (00112233) of cluster porch, 127.0.0.1:7070, up 1 min 15 s, incarnation 4, ring epoch 7, model ssdlite\n"
          "\n"
          "ring  id        address                for  heard ms ago  round trip ms  Mbit/s  waiting frames  γ "
          "ns/parameter\n"
          "a     00112233  127.0.0.1:7070  1 min 15 s             -              -       -              42            "
          "3.25  this node\n"
          "b     aabbccdd  127.0.0.1:7071   1 min 2 s           120            1.3      20               0             "
          "  -  successor, predecessor\n"
          "\n"
          "journal: not written, so a kill would lose count of frames: No space left on device\n"
          "\n"
          "not reached      tried  why\n"
          "10.0.0.7:7070  3 s ago  no answer\n"
          "\n"
          "source  state  captured  admitted  completed  failed  dropped  in flight  frames/s  p50 ms\n"
          "front   live        150       149        140       2        5          3      4.67   412.5\n"
          "yard    ended         0         0          0       0        0          0      0.00       -\n"
          "\n"
          "queue of source  queue        waiting frames  at most\n"
          "front            reservoir                 1        8\n"
          "front            distributed               2        -\n"
          "\n"
          "custody: 3 frames kept, 1.2 of 64 MB; 7 came back, 1 let go early\n");
}

TEST_CASE("a node that keeps nothing of what it handed over says so") {
    NodeStatus status = sample();
    status.custody = CustodyCounts{};
    CHECK(print_tables(status).find("\ncustody: nothing is kept of what was handed over\n") != std::string::npos);
}

TEST_CASE("a relay that is stopping says so, and absurd numbers are shown without harm") {
    NodeStatus status;
    status.name = "x\x1b[2J";
    status.journal_problem = "x\x1b[2J";
    status.stopping = true;
    status.uptime_s = 1e300;
    const std::string text = print_tables(status);
    CHECK(text.find("no model, relays only, stopping\n") != std::string::npos);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find("up 11574074 d 1 h,") != std::string::npos);  // 1e12 s: as far as it counts
    status.uptime_s = 90061;
    CHECK(print_tables(status).find("up 1 d 1 h,") != std::string::npos);
    status.uptime_s = 7260;
    CHECK(print_tables(status).find("up 2 h 1 min,") != std::string::npos);
    status.uptime_s = -5;
    CHECK(print_tables(status).find("up 0 s,") != std::string::npos);
}

TEST_CASE("a status from before there was a journal is read, and a journal that is not written is told to people") {
    auto json = nlohmann::json::parse(to_json(sample()));
    json.erase("journal_problem");
    for (auto& source : json.at("sources")) source.erase("earlier_lives");
    const auto old = from_json(json.dump());
    REQUIRE(old.ok());
    CHECK(old->journal_problem.empty());
    CHECK_FALSE(old->sources[0].earlier_lives.has_value());
    CHECK(print_tables(*old).find("journal") == std::string::npos);
    CHECK(print_tables(sample()).find("frames: No space left on device\n") != std::string::npos);
}
