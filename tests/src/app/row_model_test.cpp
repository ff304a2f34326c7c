// Goal: the costs of rows that somebody named are taken for the model that they were recorded of, and refused for any
// other. Method: a model that is made up, and files. Measuring and keeping need an engine; the rooms' own tests and
// real nodes have one.
#include "src/app/row_model.hpp"

#include <doctest/doctest.h>

#include "models/engine/row_profile_json.hpp"
#include "tests/planner/edgeflow/nets.hpp"
#include "tests/src/config/scratch.hpp"

using namespace eddy;
using namespace eddy::app;

namespace {

/// Knows what it is, and cannot compute.
class MadeUp final : public engine::Model {
public:
    explicit MadeUp(graph::ModelGraph graph) : graph_(std::move(graph)) {
        hash_.bytes[0] = 5;
        chain_hash_.bytes[0] = 6;
    }
    [[nodiscard]] const ModelCard& card() const override { return card_; }
    [[nodiscard]] const graph::ModelGraph& graph() const override { return graph_; }
    [[nodiscard]] const graph::Chain& chain() const override { std::abort(); }
    [[nodiscard]] ContentHash model_hash() const override { return hash_; }
    [[nodiscard]] ContentHash chain_hash() const override { return chain_hash_; }
    [[nodiscard]] const std::string& file_name() const override { return name_; }
    [[nodiscard]] std::string inspect_text(const ModelProfile*) const override { return ""; }
    [[nodiscard]] std::string inspect_json(const ModelProfile*) const override { return ""; }
    void keep_only(LayerRange) override {}
    [[nodiscard]] std::shared_ptr<engine::Units> units(uint64_t) const override { return nullptr; }

private:
    graph::ModelGraph graph_;
    ModelCard card_;
    ContentHash hash_, chain_hash_;
    std::string name_ = "made.pt";
};

MadeUp some_model() {
    test::NetBuilder net(8);
    net.pooled(net.convolution(ValueId{0}));
    return MadeUp(net.graph());
}

RowProfile profile_of(const engine::Model& model) {
    RowProfile profile = test::linear_profile(model.graph(), 1, 2);
    profile.model_hash = model.model_hash();
    return profile;
}

}  // namespace

TEST_CASE("a recorded row profile of the model is taken, with the model's graph and hash") {
    const test::Scratch scratch;
    const MadeUp model = some_model();
    const auto file = scratch.write("rows.json", engine::row_profile_to_json(profile_of(model)));
    const auto rows = row_model_of(model, file.string(), 1, {});
    REQUIRE(rows.ok());
    CHECK(rows->profile == profile_of(model));
    CHECK(rows->chain_hash == model.chain_hash());
    CHECK(rows->graph.operators().size() == model.graph().operators().size());
}

TEST_CASE("one of another model, with other steps, or none at all is refused with its file") {
    const test::Scratch scratch;
    const MadeUp model = some_model();
    const auto refusal = [&](const RowProfile& profile) {
        const auto file = scratch.write("rows.json", engine::row_profile_to_json(profile));
        const auto rows = row_model_of(model, file.string(), 1, {});
        REQUIRE_FALSE(rows.ok());
        CHECK(rows.error().code == ErrorCode::invalid);
        CHECK(rows.error().message.rfind(file.string() + ": ", 0) == 0);
        return rows.error().message.substr(file.string().size() + 2);
    };
    RowProfile other = profile_of(model);
    other.model_hash.bytes[31] ^= 1;
    CHECK(refusal(other) == "it was recorded of another model than made.pt");
    other = profile_of(model);
    other.steps.pop_back();
    CHECK(refusal(other) == "row profile: it has 1 steps, the model 2");
    other = profile_of(model);
    ++other.steps.back().last;
    CHECK(refusal(other) == "row profile: steps[1] has other operators than the model's");
    CHECK(row_model_of(model, (scratch.folder() / "none.json").string(), 1, {}).error().message ==
          (scratch.folder() / "none.json").string() + ": cannot be read");
}
