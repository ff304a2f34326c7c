// Goal: `eddy.report/1` has the members that design.md promises, survives a round trip, and no text breaks its reader.
#include "src/metrics/report.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck.h>

using namespace eddy::metrics;

namespace {

Report sample() {
    Report report;
    report.duration_s = 30.5;
    SourceStats front;
    front.name = "front";
    front.node = "a";
    front.captured = 150;
    front.admitted = 149;
    front.completed = 140;
    front.failed = {{"timeout", 2}};
    front.dropped = {{"deadline", 4}, {"reservoir full", 1}};
    front.in_flight = 3;
    front.throughput_per_s = 4.6666;
    front.completion_ms = CompletionMs{412.5, 400, 600, 812.25, 900};
    front.parts_ms = PartsMs{200, 150, 62.5};
    front.path_local = 40;
    front.path_distributed = 100;
    front.attempts = 151;
    front.earlier_lives = eddy::journal::Totals{30, 27, 20, 4, 6};
    SourceStats yard;
    yard.name = "yard";
    yard.node = "b";
    report.sources = {front, yard};
    NodeStats a;
    a.name = "a";
    a.id = "00112233445566778899aabbccddeeff00112233";
    a.gamma_s_per_parameter = 3.25e-9;
    a.busy_fraction = 0.125;
    a.busy_s = 3.8125;
    a.rss_bytes = 200 << 20;
    a.tx_bytes = 3 << 20;
    a.rx_bytes = 1 << 20;
    a.runs = 77;
    a.queue_lengths = {{"front/local", 2}, {"yard/distributed", 1}};
    report.nodes = {a};
    return report;
}

}  // namespace

TEST_CASE("a report as JSON has exactly the members of its contract, with failed a number and dropped by reason") {
    const auto json = nlohmann::json::parse(to_json(sample()));
    CHECK(json.at("schema") == "eddy.report/1");
    const auto& front = json.at("sources").at(0);
    for (const char* member : {"name", "captured", "admitted", "completed", "failed", "dropped", "in_flight",
                               "throughput_per_s", "completion_ms", "parts_ms", "path"})
        CHECK_MESSAGE(front.contains(member), member);
    CHECK(front.at("failed") == 2);
    CHECK(front.at("dropped").at("reservoir full") == 1);
    for (const char* member : {"mean", "p50", "p90", "p99", "max"})
        CHECK_MESSAGE(front.at("completion_ms").at(member).is_number(), member);
    for (const char* member : {"waiting", "computing", "transferring"})
        CHECK_MESSAGE(front.at("parts_ms").at(member).is_number(), member);
    CHECK(front.at("path") == nlohmann::json{{"local", 40}, {"distributed", 100}});
    CHECK(json.at("sources").at(1).at("completion_ms").is_null());
    CHECK(front.at("earlier_lives") ==
          nlohmann::json{{"captured", 30}, {"admitted", 27}, {"completed", 20}, {"failed", 4}, {"dropped", 6}});
    CHECK(json.at("sources").at(1).at("earlier_lives").is_null());
    const auto& node = json.at("nodes").at(0);
    for (const char* member : {"name", "id", "gamma_s_per_parameter", "busy_fraction", "busy_s", "rss_bytes",
                               "tx_bytes", "rx_bytes", "queue_lengths"})
        CHECK_MESSAGE(node.contains(member), member);
    // Anyone can check the sum from the JSON alone.
    uint64_t dropped = 0;
    for (const auto& [reason, number] : front.at("dropped").items()) dropped += number.get<uint64_t>();
    CHECK(front.at("captured") == front.at("completed").get<uint64_t>() + front.at("failed").get<uint64_t>() + dropped +
                                      front.at("in_flight").get<uint64_t>());
}

TEST_CASE("reading what was written gives the same report") {
    CHECK(*from_json(to_json(sample())) == sample());
    CHECK(*from_json(to_json_line(sample())) == sample());
    CHECK(to_json_line(sample()).find('\n') == to_json_line(sample()).size() - 1);
    CHECK(*from_json(to_json(Report{})) == Report{});
}

TEST_CASE("a report from before busy_s is read all the same") {
    auto json = nlohmann::json::parse(to_json(sample()));
    json["nodes"][0].erase("busy_s");
    Report expected = sample();
    expected.nodes[0].busy_s = 0;
    CHECK(*from_json(json.dump()) == expected);
}

TEST_CASE("a name that is not UTF-8 is written all the same") {
    Report report = sample();
    report.sources[0].name = "caf\xe9";
    CHECK(from_json(to_json(report)).ok());
}

TEST_CASE("a hostile report is refused with the place that is wrong") {
    const auto refused = [](const char* pointer, const nlohmann::json& value) {
        auto json = nlohmann::json::parse(to_json(sample()));
        json[nlohmann::json::json_pointer(pointer)] = value;
        const auto result = from_json(json.dump());
        return result.ok() ? std::string("accepted") : result.error().message;
    };
    CHECK(refused("/schema", "eddy.report/2") == "report.schema: allowed: \"eddy.report/1\"");
    CHECK(refused("/sources/0/captured", -1) == "report.sources[0].captured: allowed: a whole number of at least 0");
    CHECK(refused("/sources/1/captured", 1.5) == "report.sources[1].captured: allowed: a whole number of at least 0");
    CHECK(refused("/sources/0/name", 7) == "report.sources[0].name: allowed: a text");
    CHECK(refused("/sources/0/name", std::string(2000, 'x')) == "report.sources[0].name: allowed: a shorter text");
    CHECK(refused("/sources/0/failed", 3) == "report.sources[0].failed: allowed: the sum of failed_reasons");
    CHECK(refused("/sources/0/dropped", {{"late", "two"}}) ==
          "report.sources[0].dropped.late: allowed: a whole number of at least 0");
    CHECK(refused("/sources/0/completion_ms", 5) == "report.sources[0].completion_ms: allowed: an object");
    CHECK(refused("/sources/0/completion_ms/p50", "fast") == "report.sources[0].completion_ms.p50: allowed: a number");
    CHECK(refused("/sources", 3) == "report.sources: allowed: a list of at most 4096");
    CHECK(refused("/nodes", nlohmann::json::array({nullptr})) == "report.nodes[0]: allowed: an object");
    CHECK(refused("/nodes/0/busy_s", "long") == "report.nodes[0].busy_s: allowed: a number");
    CHECK(refused("/nodes/0/busy_fraction", nullptr) == "accepted");  // JSON's way to write what is not finite

    for (const std::string& text :
         {std::string(), std::string("{"), std::string("[]"), std::string("null"), std::string("{}"),
          std::string(100000, '['), std::string("\xff"), std::string("{\"schema\":\"eddy.report/1\"}"),
          std::string(report_bytes_max + 1, ' ')})
        CHECK_FALSE(from_json(text).ok());
}

TEST_CASE("a report cut off or altered anywhere is read or refused, nothing else") {
    const std::string text = to_json(sample());
    for (size_t length = 0; length + 2 < text.size(); ++length) CHECK_FALSE(from_json(text.substr(0, length)).ok());
    CHECK(rc::check("one byte altered", [&text] {
        std::string altered = text;
        altered[*rc::gen::inRange<size_t>(0, text.size())] = *rc::gen::arbitrary<char>();
        const auto result = from_json(altered);
        if (result.ok()) RC_ASSERT(from_json(to_json(*result)).ok());
    }));
}

TEST_CASE("merging keeps every row and the longest time") {
    Report other;
    other.duration_s = 60;
    other.nodes.emplace_back();
    other.nodes[0].name = "c";
    const Report all = merge({sample(), other});
    CHECK(all.duration_s == 60);
    CHECK(all.sources == sample().sources);
    REQUIRE(all.nodes.size() == 2);
    CHECK(all.nodes[1].name == "c");
    CHECK(merge({}) == Report{});
}

TEST_CASE("the tables line up, carry units, and say that the sum holds") {
    Report report = sample();
    report.sources[0].captured = 140 + 2 + 5 + 3;
    CHECK(print_tables(report) ==
          "source  node  captured  completed  failed  dropped  in flight  frames/s  local  distributed  why lost\n"
          "front   a          150        140       2        5          3      4.67     40          100  2 timeout; 4 "
          "deadline, 1 reservoir full\n"
          "yard    b            0          0       0        0          0      0.00      0            0\n"
          "\n"
          "completion time of source  mean ms  p50 ms  p90 ms  p99 ms  max ms  waiting ms  computing ms  transferring "
          "ms\n"
          "front                          412     400     600     812     900         200           150             "
          "62.5\n"
          "yard                             -       -       -       -       -           -             -                "
          "-\n"
          "\n"
          "node  id        γ ns/parameter  busy %  runs  memory MiB  sent MiB  received MiB  waiting frames\n"
          "a     00112233            3.25    12.5    77       200.0       3.0           1.0               3\n"
          "\n"
          "earlier lives of source  captured  completed  failed  dropped\n"
          "front                          30         20       4        6\n"
          "\n"
          "captured = completed + failed + dropped + in flight: holds for every source\n");
}

TEST_CASE("the tables say for which source the sum does not hold") {
    Report report = sample();
    report.sources[0].in_flight += 1;
    CHECK_FALSE(report.balanced());
    CHECK(print_tables(report).find("DOES NOT HOLD for front\n") != std::string::npos);
}

TEST_CASE("a name with control characters cannot write on the terminal") {
    Report report = sample();
    report.sources[0].name = "a\x1b[2Jb\nc";
    const std::string text = print_tables(report);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find("a?[2Jb?c") != std::string::npos);
}

TEST_CASE("a report from before there was a journal is read, one whose earlier lives do not add up is not balanced") {
    auto json = nlohmann::json::parse(to_json(sample()));
    for (auto& source : json.at("sources")) source.erase("earlier_lives");
    const auto old = from_json(json.dump());
    REQUIRE(old.ok());
    CHECK_FALSE(old->sources[0].earlier_lives.has_value());
    Report report = sample();
    CHECK(report.balanced());
    ++report.sources[0].earlier_lives->failed;
    CHECK_FALSE(report.balanced());
    json = nlohmann::json::parse(to_json(sample()));
    json["sources"][0]["earlier_lives"].erase("failed");
    CHECK(from_json(json.dump()).error().message.find("earlier_lives.failed") != std::string::npos);
}

TEST_CASE("the tables tell what earlier lives settled, if they did anything") {
    Report report = sample();
    CHECK(print_tables(report).find("earlier lives of source  captured  completed  failed  dropped\n"
                                    "front                          30         20       4        6\n\n") !=
          std::string::npos);
    report.sources[0].earlier_lives = eddy::journal::Totals{};
    CHECK(print_tables(report).find("earlier lives") == std::string::npos);
}
