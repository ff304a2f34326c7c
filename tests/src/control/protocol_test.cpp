#include "src/control/protocol.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace eddy;
using namespace eddy::control;

TEST_CASE("each request is read back from its own line, with blanks around it or not") {
    for (const Request request : {Request(Request::status), Request(Request::report), Request(Request::stop),
                                  Request(Request::stop_cameras), Request(Request::replay_speed, 0.25)}) {
        const std::string line = request_line(request);
        CHECK(line.back() == '\n');
        CHECK(*parse_request(line) == request);
        CHECK(*parse_request("  " + line.substr(0, line.size() - 1) + " \r\n") == request);
    }
}

TEST_CASE("an unknown request is refused with what it was and what is known") {
    const std::string known = ", known are status, report, stop, stop-cameras and replay-speed";
    CHECK(parse_request("reboot\n").error().message == "unknown request \"reboot\"" + known);
    CHECK(parse_request("").error().message == "unknown request \"\"" + known);
    CHECK(parse_request("replay-speeds 1").error().message == "unknown request \"replay-speeds 1\"" + known);
    CHECK(parse_request("STATUS").error().code == ErrorCode::invalid);
    CHECK(parse_request("status now").error().code == ErrorCode::invalid);
    CHECK(parse_request("a\x1b[2J").error().message.find('\x1b') == std::string::npos);
    CHECK(parse_request(std::string(300, ' ') + "stop").error().message == "a request is at most 256 bytes");
}

TEST_CASE("a replay's speed is a number above 0 and at most 1000, and comes as it was sent") {
    CHECK(*parse_request("replay-speed 0.5\n") == Request(Request::replay_speed, 0.5));
    CHECK(*parse_request(" replay-speed \t 1e3 ") == Request(Request::replay_speed, 1000));
    CHECK_FALSE(*parse_request("replay-speed 0.5") == Request(Request::replay_speed, 0.6));
    CHECK(rc::check("any speed", [] {
        const double speed = *rc::gen::inRange(1, 1'000'001) / 1000.0 / *rc::gen::inRange(1, 1000);
        RC_ASSERT(*parse_request(request_line({Request::replay_speed, speed})) ==
                  Request(Request::replay_speed, speed));
    }));
    for (const std::string text : {"", "0", "-1", "1000.01", "nan", "inf", "1e999", "1x", "1 2", "fast", "0x10", "1,5"})
        CHECK(parse_request("replay-speed " + text).error().message ==
              "replay-speed: found \"" + text + "\", allowed: a number above 0 and at most 1000");
}

TEST_CASE("a request may come in pieces, cut anywhere") {
    CHECK(rc::check("cut", [] {
        const auto request = *rc::gen::element(Request::status, Request::report, Request::stop, Request::stop_cameras);
        const std::string line = request_line(request) + "ignored\n";
        const auto cut = *rc::gen::inRange<size_t>(0, line.size());
        RequestReader reader;
        auto first = reader.add(line.substr(0, cut));
        auto second = reader.add(line.substr(cut));
        RC_ASSERT(first.has_value() != second.has_value());  // answered once
        RC_ASSERT(*(first ? *first : *second) == request);
        RC_ASSERT(!reader.add("status\n").has_value());
    }));
}

TEST_CASE("a request that never ends is refused at the bound, once, and no more is kept") {
    RequestReader reader;
    CHECK_FALSE(reader.add(std::string(request_bytes_max, 'x')).has_value());
    const auto refused = reader.add("x");
    REQUIRE(refused.has_value());
    CHECK(refused->error().message == "a request is at most 256 bytes");
    CHECK_FALSE(reader.add(std::string(1000, 'x')).has_value());
    RequestReader at_once;
    CHECK(at_once.add(std::string(100000, 'x')).has_value());
}

TEST_CASE("a reply is one line of JSON, and the client tells an answer from a refusal") {
    CHECK(error_reply("no \"such\"\nthing") == "{\"error\":\"no \\\"such\\\"\\nthing\"}\n");
    CHECK(*read_reply(ok_reply("stopping")) == "{\"ok\":\"stopping\"}\n");
    CHECK(read_reply(error_reply("busy")).error().message == "the node refused: busy");
    CHECK(read_reply("{\"error\":[1]}").error().message == "the node refused: [1]");
    CHECK(error_reply("caf\xe9").back() == '\n');
    for (const std::string& text : {std::string(), std::string("[]"), std::string("7"), std::string("{\"a\":")})
        CHECK(read_reply(text).error().code == ErrorCode::invalid);
}
