// Loading the engine; what it does is tested in tests/models/torch and with the programs themselves.
#include "models/engine/torch_engine.hpp"

#include <fstream>

#include <doctest/doctest.h>

using namespace eddy;
using namespace eddy::engine;

namespace {

void check_refused(const std::string& library, const std::string& why) {
    const auto engine = load_engine(library);
    REQUIRE_FALSE(engine.ok());
    CHECK(engine.error().code == ErrorCode::unavailable);
    const std::string& said = engine.error().message;
    CHECK_MESSAGE(said.starts_with(library + ", which runs models, cannot be used: "), said);
    CHECK_MESSAGE(said.find(why) != std::string::npos, said);
    CHECK_MESSAGE(said.ends_with("it is built with Eddy's programs and belongs into their folder"), said);
}

}  // namespace

TEST_CASE("a library that is missing is told with its path and where it belongs") {
    check_refused("/nowhere/libeddy-torch.so", "No such file");
}

TEST_CASE("a file that is no library is told") { check_refused(EDDY_SOURCE_DIR "/README.md", "invalid ELF header"); }

TEST_CASE("a library that is no engine is told") { check_refused(NO_ENGINE, "it has no eddy_engine"); }

TEST_CASE("a library of another build is not used, and both builds are told") {
    check_refused(ENGINE_OF_ANOTHER_BUILD, "of another build (0.0.0, g++ 1, this program is of " + engine_version());
}
