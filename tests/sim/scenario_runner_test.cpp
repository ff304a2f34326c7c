// How stories are played. Goal: an expectation that does not come true is a finding that names line, time and nodes;
// what is out of bounds for a run within the assumptions is left out; the same story gives the same run.
#include "sim/scenario_runner.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include "sim/scenario_parser.hpp"

using namespace eddy;
using namespace eddy::sim;
using namespace std::chrono_literals;

namespace {

Scenario story(const std::string& text) {
    const auto scenario = parse_scenario(text, "story");
    REQUIRE_MESSAGE(scenario.ok(), (scenario.ok() ? "" : scenario.error().message));
    return *scenario;
}

ScenarioResult play(const std::string& text) { return run_scenario(story(text)); }

std::string finding(const std::string& text) {
    const auto result = play(text);
    return result.finding ? to_text(*result.finding) : "";
}

const std::string three = "nodes a b c\nat 0 s nodes a b c start\nwithin 10 s everyone sees one ring of a b c\n";
const std::string nine =
    "lists hold 2\nviews hold 2\nfailures stay within the assumptions\nnodes a b c d e f g h i\nseeds a\n"
    "at 0 s nodes a b c d e f g h start\nwithin 20 s everyone sees one ring of a b c d e f g h\n";

}  // namespace

TEST_CASE("a story whose expectations come true has no finding") {
    const auto result =
        play(three + "within 5 s everyone finds every owner\nat 60 s everyone has let go of who is gone\n");
    CHECK_FALSE(result.finding);
    CHECK(result.ended == 60s);
    CHECK(result.faults == 3);
    CHECK(result.lookups == 9);
    CHECK(result.events > 100);
}

TEST_CASE("whoever lives and is not in the story's ring is a finding, and so is whoever is in it and does not live") {
    CHECK(finding(three + "at 20 s everyone sees one ring of a b\n") ==
          "OneRing at 20.000 s (line 4): node c is not among them and lives");
    CHECK(finding(three + "at 20 s node c crashes\nat 21 s node a sees one ring of a b c\n") ==
          "OneRing at 21.000 s (line 5): node c does not live");
}

TEST_CASE("an expectation is tried until its time is over, and no longer") {
    const std::string crash = three + "at 20 s node c vanishes\n";
    // Silence is noticed after 600 ms at the earliest.
    CHECK(finding(crash + "within 100 ms everyone sees one ring of a b\n") ==
          "OneRing at 20.100 s (line 5): node a has the list [b c], not [b]");
    CHECK(finding(crash + "within 5 s everyone sees one ring of a b\n").empty());
    CHECK(finding(crash + "at 20 s everyone sees one ring of a b\n").find("OneRing at 20.000 s") == 0);
}

TEST_CASE("the two sides of a split see rings of their own, and one again after it healed") {
    CHECK(finding("nodes a b c d\nseeds a c\nat 0 s nodes a b c d start\nwithin 10 s everyone sees one ring\n"
                  "at 20 s the network splits into a b | c d\n"
                  "within 5 s nodes a b see one ring of a b\nwithin 1 s nodes c d see one ring of c d\n"
                  "at 30 s the network heals\nwithin 10 s everyone sees one ring of a b c d\n")
              .empty());
}

TEST_CASE("a cut in one direction and bad weather reach the network") {
    CHECK(finding(three + "at 20 s node a does not reach b\nat 25 s everyone sees one ring\n").find("OneRing at 25") ==
          0);
    CHECK(finding(three + "at 20 s the network loses 100 %, carries datagrams\nat 25 s everyone sees one ring\n")
              .find("OneRing at 25") == 0);
    CHECK(finding(three + "at 20 s the network loses 100 %, carries datagrams\nat 25 s the network is calm\n"
                          "within 10 s everyone sees one ring\n")
              .empty());
}

TEST_CASE("a node that pauses is missed until it goes on") {
    CHECK(finding(three + "at 20 s node b pauses for 5 s\nat 24 s everyone sees one ring of a c\n"
                          "at 26 s within 10 s everyone sees one ring of a b c\n")
              .empty());
}

TEST_CASE("a node that slows stays in the ring, and answers late until it is over") {
    const auto asked = [](const std::string& at) {
        return finding(three + "at 20 s node b slows for 5 s\nat " + at +
                       " s within 15 ms everyone finds every owner\n" + "at 30 s everyone sees one ring of a b c\n");
    };
    CHECK(asked("21").find("FindsOwner at 21.015 s") == 0);
    CHECK(asked("26").empty());
}

TEST_CASE("lookups that nobody can answer in time are a finding") {
    CHECK(finding(three + "at 20 s nodes b c vanish\nwithin 50 ms everyone finds every owner\n")
              .find("FindsOwner at 20.050 s (line 5)") == 0);
}

TEST_CASE("contacts with who is gone are a finding if they stay") {
    CHECK(finding(three + "at 20 s nodes b c vanish\nat 20 s everyone has let go of who is gone\n") ==
          "LetsGo at 20.000 s (line 5): node a keeps 2 contacts, though only 0 others live");
    CHECK(finding(three + "at 20 s nodes b c vanish\nwithin 15 s everyone has let go of who is gone\n").empty());
}

TEST_CASE("faults are counted when they strike somebody") {
    const auto result = play(three +
                             "at 20 s node c crashes\nat 21 s node c crashes\nat 22 s node a starts\n"
                             "at 23 s the network heals\n");
    CHECK(result.faults == 4);
}

TEST_CASE("within the assumptions the invariant is checked at every change from the first ideal ring on") {
    CHECK(play(three).invariant_checks == 0);
    const auto quiet = play(nine);
    CHECK_FALSE(quiet.finding);
    const auto joined = play(nine + "at 30 s node i starts\nwithin 10 s everyone sees one ring\n");
    CHECK_FALSE(joined.finding);
    CHECK(joined.invariant_checks >= quiet.invariant_checks + 3);
}

TEST_CASE("within the assumptions whatever would leave them is left out") {
    const auto left_out = [](const std::string& step) {
        const auto result = play(nine + "at 30 s node i starts\nwithin 9 s everyone sees one ring\nat 40 s " + step +
                                 "\nat 80 s everyone sees one ring\n");
        CAPTURE(step);
        CHECK_FALSE(result.finding);
        return result.left_out == std::vector<size_t>{4};
    };
    CHECK(left_out("nodes b c crash"));  // all of a's list
    CHECK(left_out("nodes b c leave"));
    CHECK_FALSE(left_out("nodes b d crash"));
    CHECK(left_out("nodes b c d e f g h vanish"));
    CHECK(left_out("node b restarts"));
    CHECK(left_out("node a starts"));
    CHECK(left_out("node b pauses for 1 s"));
    CHECK_FALSE(left_out("node b pauses for 100 ms"));
    CHECK(left_out("node b slows for 100 ms"));
    CHECK(left_out("nodes b d pause for 100 ms"));
    CHECK(left_out("the network splits into a b c | d e f"));
    CHECK(left_out("node a does not reach b"));
    CHECK(left_out("the network loses 1 %"));
    CHECK(left_out("the network delays 50 ms"));
    CHECK_FALSE(left_out("the network delays 5 ms"));
    CHECK_FALSE(left_out("the network heals"));
}

TEST_CASE("within the assumptions nobody fails whom a list under way counts on") {
    // Node i joins before a; the list that h takes over from it ends with a, and does not know b any more.
    size_t left_out = 0;
    for (int ms = 0; ms < 120; ++ms) {
        CAPTURE(ms);
        const auto result = play(nine + "at 30 s node i starts\nat " + std::to_string(30'000 + ms) +
                                 " ms nodes a i crash\nat 31 s the network heals\n");
        CHECK_FALSE(result.finding);
        left_out += result.left_out.size();
    }
    CHECK(left_out > 0);
    CHECK(left_out < 120);
}

TEST_CASE("within the assumptions a node starts again only once nobody's pointers name it") {
    const auto result = play(nine +
                             "at 30 s node c vanishes\nat 30.1 s node c starts\nat 40 s node c starts\n"
                             "within 10 s everyone sees one ring of a b c d e f g h\n");
    CHECK_FALSE(result.finding);
    CHECK(result.left_out == std::vector<size_t>{3});
}

TEST_CASE("the log tells the steps and what the rings say, by the names of the story") {
    std::vector<std::string> lines;
    const auto scenario = story(three + "at 20 s node c crashes\nat 30 s everyone sees one ring of a b\n");
    const auto result = run_scenario(scenario, [&](Usec, const std::string& text) { lines.push_back(text); });
    CHECK_FALSE(result.finding);
    CHECK(std::count(lines.begin(), lines.end(), "at 20 s node c crashes") == 1);
    CHECK(std::any_of(lines.begin(), lines.end(), [](const auto& l) { return l.rfind("b: ring: ", 0) == 0; }));
    CHECK(std::any_of(lines.begin(), lines.end(), [](const auto& l) { return l.find("(c)") != std::string::npos; }));
}

TEST_CASE("the same story gives the same run, another seed another") {
    const std::string text =
        three + "at 20 s the network loses 5 %, spreads 1 ms, carries datagrams\nat 40 s everyone finds every owner\n";
    const auto one = play(text), same = play(text), other = play("seed 2\n" + text);
    CHECK(one.trace_hash == same.trace_hash);
    CHECK(one.finding == same.finding);
    CHECK(one.events == same.events);
    CHECK(one.trace_hash != other.trace_hash);
}
