// Goal: a profile of rows comes back as it was written, and no text that is damaged or absurd is taken for one.
#include "models/engine/row_profile_json.hpp"

#include <limits>

#include <doctest/doctest.h>

using namespace eddy;
using namespace eddy::engine;

namespace {

RowProfile example() {
    RowProfile profile;
    profile.model = "model.pt";
    profile.device = "a device \"with\" quotes";
    profile.model_hash.bytes[3] = 0xab;
    profile.unit_us = 12.3456789;
    profile.gather_us_per_byte = 0.000321;
    profile.steps = {{0, 3, {{1, 0.5}, {2, 0.75}, {56, 1234.5}}}, {3, 4, {{1, 99}}}, {4, 9, {{7, 0}, {28, 1e-3}}}};
    return profile;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    REQUIRE_MESSAGE(at != std::string::npos, from);
    return text.replace(at, from.size(), to);
}

void check_refused(const std::string& text, const std::string& why) {
    const auto read = row_profile_from_json(text);
    REQUIRE_FALSE_MESSAGE(read.ok(), why);
    CHECK(read.error().code == ErrorCode::invalid);
    CHECK(read.error().message.starts_with("row profile: "));
    CHECK_MESSAGE(read.error().message.find(why) != std::string::npos, read.error().message);
}

}  // namespace

TEST_CASE("a row profile comes back as it was written") {
    const auto back = row_profile_from_json(row_profile_to_json(example()));
    REQUIRE(back.ok());
    CHECK(*back == example());
}

TEST_CASE("times that are no times are refused") {
    const std::string good = row_profile_to_json(example());
    check_refused(replaced(good, "1234.5", "-1234.5"), "steps[0]: \"time_us\" must be a number >= 0");
    check_refused(replaced(good, "1234.5", "1e999"), "number overflow");
    check_refused(replaced(good, "1234.5", "1e300"), "must be a number >= 0");
    check_refused(replaced(good, "1234.5", "NaN"), "parse error");
    check_refused(replaced(good, "1234.5", "\"12\""), "must be a number >= 0");
    check_refused(replaced(good, "12.3456789", "-1"), "\"unit_us\" must be a number >= 0");
    check_refused(replaced(good, "0.000321", "-0.000321"), "\"gather_us_per_byte\" must be a number >= 0");
    RowProfile infinite = example();
    infinite.steps[1].times[0].time_us = std::numeric_limits<double>::infinity();
    CHECK_FALSE(row_profile_from_json(row_profile_to_json(infinite)).ok());
}

TEST_CASE("rows that do not ascend and steps that do not follow one another are refused") {
    const std::string good = row_profile_to_json(example());
    check_refused(replaced(good, "\"rows\": 56", "\"rows\": 2"), "must ascend");
    check_refused(replaced(good, "\"rows\": 56", "\"rows\": 1"), "must ascend");
    check_refused(replaced(good, "\"rows\": 1", "\"rows\": 0"), "must ascend");
    check_refused(replaced(good, "\"rows\": 56", "\"rows\": 4294967296"), "\"rows\" must be a whole number");
    check_refused(replaced(good, "\"rows\": 56", "\"rows\": 56.5"), "\"rows\" must be a whole number");
    check_refused(replaced(good, "\"first\": 3", "\"first\": 2"), "steps[1]: it must begin with operator 3");
    check_refused(replaced(good, "\"first\": 0", "\"first\": 1"), "steps[0]: it must begin with operator 0");
    check_refused(replaced(good, "\"last\": 4", "\"last\": 3"), "have one at least");
    check_refused(replaced(good, "\"last\": 9", "\"last\": 99999"), "\"last\" must be a whole number from 0 to 16384");
}

TEST_CASE("lists are bounded, and what is missing or no profile at all is told") {
    const std::string good = row_profile_to_json(example());
    RowProfile long_one = example();
    long_one.steps[0].times.clear();
    for (uint32_t rows = 1; rows <= row_times_max; ++rows) long_one.steps[0].times.push_back({rows, 1});
    CHECK(row_profile_from_json(row_profile_to_json(long_one)).ok());
    long_one.steps[0].times.push_back({row_times_max + 1, 1});
    check_refused(row_profile_to_json(long_one), "\"times\" must be a list of 1 to 256");
    RowProfile empty = example();
    empty.steps[1].times.clear();
    check_refused(row_profile_to_json(empty), "steps[1]: \"times\" must be a list of 1");
    empty.steps.clear();
    check_refused(row_profile_to_json(empty), "\"steps\" must be a list of 1");
    RowProfile many = example();
    many.steps.clear();
    for (uint32_t op = 0; op < 16385; ++op) many.steps.push_back({op, op + 1, {{1, 1}}});
    check_refused(row_profile_to_json(many), "\"steps\" must be a list of 1 to 16384");
    check_refused(replaced(good, "eddy.row_profile/1", "eddy.profile/1"), "\"schema\"");
    check_refused(replaced(good, "\"unit_us\"", "\"unit\""), "\"unit_us\" is missing");
    check_refused(replaced(good, "gather_us_per_byte", "gather_us"), "\"gather_us_per_byte\" is missing");
    check_refused(replaced(good, "\"model_hash\": \"0", "\"model_hash\": \"x"), "64 hexadecimal digits");
    check_refused(replaced(good, "model.pt", std::string(5000, 'x')), "short text");
    check_refused("[]", "\"schema\"");
    check_refused("", "parse error");
    check_refused(good.substr(0, good.size() / 2), "parse error");
    check_refused(std::string(17 << 20, ' '), "larger than 16 MiB");
    check_refused(R"({"schema": "eddy.row_profile/1", "model": "", "device": "", "model_hash": ")" +
                      std::string(64, '0') + R"(", "unit_us": 0, "gather_us_per_byte": 0, "steps": [3]})",
                  "a step must be an object");
}
