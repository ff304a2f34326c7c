// Goal: recorded profiles are read as they were written, and a file that is none is named with what is wrong with it.
// Method: files in a folder of their own; complete messages are compared.
#include "src/app/recorded_profile.hpp"

#include <doctest/doctest.h>

#include "models/engine/profile_json.hpp"
#include "models/engine/row_profile_json.hpp"
#include "tests/planner/edgeflow/nets.hpp"
#include "tests/src/config/scratch.hpp"

using namespace eddy;
using namespace eddy::app;

TEST_CASE("a recorded profile is read as it was written") {
    const test::Scratch scratch;
    ModelProfile profile;
    profile.model = "m.pt";
    profile.chain_hash.bytes[0] = 7;
    profile.layers.resize(2);
    profile.layers[1].time = Usec(1234);
    profile.layers[1].frontier_bytes = 99;
    const auto file = scratch.write("m.profile.json", engine::profile_to_json(profile));
    const auto read = recorded_profile(file.string());
    REQUIRE(read.ok());
    CHECK(*read == profile);
}

TEST_CASE("a file that is no profile, is too long or is not there is named") {
    const test::Scratch scratch;
    const auto refusal = [](const std::filesystem::path& file) {
        const auto read = recorded_profile(file.string());
        REQUIRE_FALSE(read.ok());
        CHECK(read.error().code == ErrorCode::invalid);
        CHECK(read.error().message.rfind(file.string() + ": ", 0) == 0);
        return read.error().message.substr(file.string().size() + 2);
    };
    CHECK(refusal(scratch.folder() / "none.json") == "cannot be read");
    CHECK(refusal(scratch.folder()) == "cannot be read");
    CHECK(refusal(scratch.write("a.json", "{}")) ==
          "profile: \"schema\" is missing (`eddy model inspect MODEL.pt --profile` records one)");
    CHECK(refusal(scratch.write("b.json", std::string(3 << 20, ' '))).rfind("profile: larger than 1 MiB", 0) == 0);
}

TEST_CASE("a recorded row profile is read with its graph, or without") {
    const test::Scratch scratch;
    test::NetBuilder net(8);
    net.pooled(net.convolution(ValueId{0}));
    engine::RowModel model{{}, net.graph(), test::linear_profile(net.graph(), 1.5, 0.25, 4)};
    model.chain_hash.bytes[1] = 9;
    const auto file = scratch.write("m.json", engine::row_model_to_json(model));
    const auto read = recorded_row_model(file.string());
    REQUIRE(read.ok());
    CHECK(read->chain_hash == model.chain_hash);
    CHECK(read->profile == model.profile);
    CHECK(read->graph.operators().size() == 2);
    const auto profile = recorded_row_profile(file.string());
    REQUIRE(profile.ok());
    CHECK(*profile == model.profile);
    // Before and behind, JSON may have space.
    const std::string text = engine::row_model_to_json(model);
    const std::string space(engine::row_profile_bytes_max - text.size(), ' ');
    CHECK(recorded_row_model(scratch.write("long.json", text + space).string()).ok());
}

TEST_CASE("a file that is no row profile, has no graph or is too long is named, and how one is recorded") {
    const test::Scratch scratch;
    const std::string how = " (`eddy plan edgeflow MODEL.pt EXPERIMENT.toml --record FILE` records one)";
    const auto refusal = [](const std::filesystem::path& file) {
        const auto read = recorded_row_model(file.string());
        REQUIRE_FALSE(read.ok());
        CHECK(read.error().code == ErrorCode::invalid);
        CHECK(read.error().message.rfind(file.string() + ": ", 0) == 0);
        return read.error().message.substr(file.string().size() + 2);
    };
    CHECK(refusal(scratch.folder() / "none.json") == "cannot be read");
    CHECK(refusal(scratch.write("a.json", "{}")) == "row profile: \"schema\" is missing" + how);
    RowProfile profile;
    profile.steps = {{0, 1, {{1, 1}}}};
    const auto bare = scratch.write("b.json", engine::row_profile_to_json(profile));
    CHECK(recorded_row_profile(bare.string()).ok());
    CHECK(refusal(bare) == "row profile: \"chain_hash\" is missing" + how);
    const auto huge = scratch.write("c.json", std::string(engine::row_profile_bytes_max + 1, ' '));
    CHECK(refusal(huge) == "row profile: larger than 16 MiB" + how);
    CHECK(recorded_row_profile(huge.string()).error().message ==
          huge.string() + ": row profile: larger than 16 MiB" + how);
}
