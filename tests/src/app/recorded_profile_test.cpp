#include "src/app/recorded_profile.hpp"

#include <doctest/doctest.h>

#include "models/engine/profile_json.hpp"
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
