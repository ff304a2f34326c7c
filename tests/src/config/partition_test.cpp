// Goal: how models are divided, and the costs of rows that this takes, are read as meant or refused with line and key.
// Method: small files as text; complete messages are compared.
#include <doctest/doctest.h>

#include "src/config/node_config.hpp"
#include "tests/src/config/node_texts.hpp"

using namespace eddy;
using namespace eddy::config;
using eddy::test::accepted;
using eddy::test::named;
using eddy::test::refusal;
using eddy::test::Scratch;

TEST_CASE("each partition is known by its name, and chain is what nobody has to write") {
    const Scratch scratch;
    for (const auto kind : {PartitionKind::chain, PartitionKind::edgeflow, PartitionKind::automatic})
        CHECK(accepted(scratch, named + "[scheduler]\npartition = \"" + name_of(kind) + "\"\n").partition == kind);
    CHECK(accepted(scratch, named).partition == PartitionKind::chain);
    CHECK(accepted(scratch, named).row_profile.empty());
}

TEST_CASE("each planner of rows is known by its name, and fused-blocks is what nobody has to write") {
    const Scratch scratch;
    for (const auto kind : {RowPlannerKind::fused_blocks, RowPlannerKind::progressive_lp, RowPlannerKind::proportional,
                            RowPlannerKind::equal})
        CHECK(accepted(scratch, named + "[scheduler]\nrow_planner = \"" + name_of(kind) + "\"\n").row_planner == kind);
    CHECK(accepted(scratch, named).row_planner == RowPlannerKind::fused_blocks);
    CHECK(refusal(scratch, named + "[scheduler]\nrow_planner = \"lp\"\n") ==
          "node.toml:4: [scheduler] row_planner: found \"lp\", allowed: \"fused-blocks\", \"progressive-lp\", "
          "\"proportional\" or \"equal\"");
}

TEST_CASE("a partition that there is not is refused with file, line, key and those that there are") {
    const Scratch scratch;
    const std::string allowed = ", allowed: \"chain\", \"edgeflow\" or \"auto\"";
    for (const std::string wrong : {"\"rows\"", "\"\"", "\"Chain\"", "\"automatic\"", "5", "true"})
        CHECK(refusal(scratch, named + "[scheduler]\nqueue_frames = 4\npartition = " + wrong + "\n") ==
              "node.toml:5: [scheduler] partition: found " + wrong + allowed);
}

TEST_CASE("a row profile lies beside the file that names it, and must be there") {
    const Scratch scratch;
    scratch.write("rows/m.json", "");
    CHECK(accepted(scratch, named + "[compute]\nrow_profile = \"rows/m.json\"\n").row_profile ==
          (scratch.folder() / "rows/m.json").string());
    const std::string absolute = (scratch.folder() / "rows/m.json").string();
    CHECK(accepted(scratch, named + "[compute]\nrow_profile = \"" + absolute + "\"\n").row_profile == absolute);
    CHECK(refusal(scratch, named + "[compute]\nrow_profile = \"n.json\"\n") ==
          "node.toml:4: [compute] row_profile: found \"n.json\", which does not exist, allowed: a file that exists");
    CHECK(refusal(scratch, named + "[compute]\nrow_profile = \"rows\"\n") ==
          "node.toml:4: [compute] row_profile: found \"rows\", which is not a file, allowed: a file that exists");
    CHECK(refusal(scratch, named + "[compute]\nrow_profile = 5\n").find("row_profile: found 5") != std::string::npos);
}

TEST_CASE("a node that replays takes part in rows with a row profile only, one with a model measures its own") {
    const Scratch scratch;
    scratch.write("m.pt", "");
    scratch.write("m.json", "");
    scratch.write("rows.json", "");
    const std::string replay = named + "[compute]\nreplay = \"m.json\"\n";
    for (const std::string kind : {"edgeflow", "auto"}) {
        const std::string by_rows = "[scheduler]\npartition = \"" + kind + "\"\n";
        CHECK(refusal(scratch, replay + by_rows) ==
              "node.toml:6: [scheduler] partition: found \"" + kind +
                  "\" for a node that replays, without [compute] row_profile, allowed: \"chain\", or together with "
                  "row_profile");
        accepted(scratch, replay + "row_profile = \"rows.json\"\n" + by_rows);
        accepted(scratch, named + "[model]\npath = \"m.pt\"\n" + by_rows);
        accepted(scratch, named + by_rows);
    }
    accepted(scratch, replay + "row_profile = \"rows.json\"\n");
    accepted(scratch, replay + "[scheduler]\npartition = \"chain\"\n");
}
