#include "src/control/diagnosis.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck.h>

using namespace eddy::control;

TEST_CASE("problems and their advice are shown line by line and counted") {
    const Checks checks{well("config", "node.toml", "in order"), wrong("seed", "b:7070", "refused", "start it")};
    CHECK(print(checks) ==
          "ok     config  node.toml  in order\n"
          "WRONG  seed    b:7070     refused\n"
          "       to do: start it\n"
          "1 problem in 2 checks\n");
    CHECK(print({checks[0]}) == "ok     config  node.toml  in order\nall well: 1 checks\n");
    CHECK(print({checks[1], checks[1]}).find("2 problems in 2 checks\n") != std::string::npos);
    CHECK(all_well({checks[0]}));
    CHECK_FALSE(all_well(checks));
}

TEST_CASE("as JSON a check says where, whether it is well, and otherwise what is wrong and what to do") {
    const auto json = nlohmann::json::parse(
        to_json({well("config", "node.toml", "in order"), wrong("seed", "b:7070", "refused", "start it")}));
    CHECK(json.at("schema") == "eddy.doctor/1");
    CHECK(json.at("ok") == false);
    CHECK(json.at("checks").at(0) == nlohmann::json({{"check", "config"},
                                                     {"where", "node.toml"},
                                                     {"ok", true},
                                                     {"problem", ""},
                                                     {"advice", ""},
                                                     {"seen", "in order"}}));
    CHECK(json.at("checks").at(1) == nlohmann::json({{"check", "seed"},
                                                     {"where", "b:7070"},
                                                     {"ok", false},
                                                     {"problem", "refused"},
                                                     {"advice", "start it"},
                                                     {"seen", ""}}));
    CHECK(nlohmann::json::parse(to_json({})).at("ok") == true);
}

TEST_CASE("whatever a peer said, JSON stays one line and a terminal gets no control characters") {
    CHECK(rc::check("any text", [] {
        const auto text = *rc::gen::arbitrary<std::string>();
        const Checks checks{wrong("seed", text, text, text)};
        const std::string json = to_json(checks);
        RC_ASSERT(json.find('\n') == json.size() - 1);
        RC_ASSERT(nlohmann::json::parse(json).at("checks").size() == 1);
        for (const char c : print(checks)) RC_ASSERT(c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f));
    }));
}
