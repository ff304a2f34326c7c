// Goal: whatever a file holds, loading it ends in a model or in an error that names the file and what is wrong.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "models/torch/archive.hpp"
#include "models/torch/card.hpp"
#include "support.hpp"

using namespace eddy;
using namespace eddy::test;
using namespace eddy::torch_exec;

namespace {

std::string temporary(const std::string& name, const std::string& content) {
    const auto folder = std::filesystem::path(EDDY_BINARY_DIR) / "test-refusals";
    std::filesystem::create_directories(folder);
    std::ofstream(folder / name, std::ios::binary) << content;
    return (folder / name).string();
}

std::string content_of(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

Error refusal(const std::string& path, const LoadOptions& options = {}) {
    const auto model = Model::load(path, options);
    if (model) FAIL(path << " was accepted");
    CHECK_MESSAGE(model.error().message.find(path) == 0, model.error().message);
    CHECK_MESSAGE(model.error().message.size() < 1500, model.error().message);
    return model.error();
}

void check_refused(const std::string& name, ErrorCode code, const std::string& what) {
    const Error error = refusal(made_model(name));
    CHECK_MESSAGE(error.code == code, error.message);
    CHECK_MESSAGE(error.message.find(what) != std::string::npos, error.message);
}

void put(std::string& bytes, uint64_t number, int count) {
    for (int i = 0; i < count; ++i) bytes += static_cast<char>(number >> (8 * i) & 0xff);
}

/// A zip archive that consists of a directory of one entry, claiming to unpack to `claimed` bytes.
std::string archive_claiming(const std::string& name, uint64_t claimed, uint64_t entries = 1) {
    std::string bytes;
    put(bytes, 0x02014b50, 4);
    put(bytes, 0, 20);
    put(bytes, claimed, 4);
    put(bytes, name.size(), 2);
    put(bytes, 0, 16);
    bytes += name;
    const size_t directory = bytes.size();
    put(bytes, 0x06054b50, 4);
    put(bytes, 0, 6);
    put(bytes, entries, 2);
    put(bytes, directory, 4);
    put(bytes, 0, 4);
    put(bytes, 0, 2);
    return bytes;
}

}  // namespace

TEST_CASE("a branch that the frame's content decides is refused with its operator and place") {
    check_refused("Branches", ErrorCode::unsupported, "aten::Bool");
    check_refused("Branches", ErrorCode::unsupported, ".py:");
}
TEST_CASE("a number read from the pixels is refused") { check_refused("Steers", ErrorCode::unsupported, "aten::item"); }
TEST_CASE("a shape that the pixels decide is refused") {
    check_refused("Nonzero", ErrorCode::unsupported, "aten::nonzero");
    check_refused("Masked", ErrorCode::unsupported, "aten::index");
}
TEST_CASE("a random operator is refused") { check_refused("Noise", ErrorCode::unsupported, "aten::rand_like"); }
TEST_CASE("state kept between frames is refused") { check_refused("Counts", ErrorCode::unsupported, "state"); }
TEST_CASE("a second input is refused") { check_refused("TwoInputs", ErrorCode::unsupported, "2 arguments"); }
TEST_CASE("a write through a view that is read again is refused, not miscomputed") {
    check_refused("WritesThroughView", ErrorCode::unsupported, "aten::mul_");
}
TEST_CASE("a model that does not fit its input is refused with the operator that failed") {
    check_refused("Misfit", ErrorCode::invalid, "[1, 3, 48, 32]");
    check_refused("Misfit", ErrorCode::invalid, "aten::linear");
}
TEST_CASE("a card that is wrong is refused by key") { check_refused("BadCard", ErrorCode::invalid, "\"name\""); }

TEST_CASE("a file without a card needs one from the caller") {
    CHECK(refusal(made_model("NoCard")).message.find("eddy.json") != std::string::npos);
    ModelCard card;
    card.name = "given";
    card.height = 32;
    card.width = 32;
    const auto model = Model::load(made_model("NoCard"), {.card = card});
    REQUIRE(model.ok());
    CHECK((*model)->card() == card);
    card.height = 0;
    CHECK(refusal(made_model("NoCard"), {.card = card}).message.find("height") != std::string::npos);
}

TEST_CASE("a file cut short anywhere is refused") {
    const std::string whole = content_of(made_model("Fixed"));
    REQUIRE(whole.size() > 1000);
    Random random(4);
    for (int i = 0; i < 40; ++i) {
        const auto length = static_cast<size_t>(random.below(whole.size() - 1));
        refusal(temporary("cut.pt", whole.substr(0, length)));
    }
}

TEST_CASE("damaged bytes are refused or harmless") {
    const std::string whole = content_of(made_model("Fixed"));
    Random random(6);
    int refused = 0;
    for (int i = 0; i < 60; ++i) {
        std::string damaged = whole;
        // Near the end lie the directory and the pickled structure; the weights are most of the rest.
        const size_t from = i % 2 == 0 ? whole.size() - std::min<size_t>(whole.size(), 3000) : 0;
        for (int n = 0; n < 8; ++n)
            damaged[from + random.below(whole.size() - from)] ^= static_cast<char>(1 + random.below(255));
        refused += Model::load(temporary("damaged.pt", damaged)) ? 0 : 1;
    }
    CHECK(refused > 10);
}

TEST_CASE("foreign files are refused") {
    CHECK(refusal(temporary("text.pt", "this is no model\n")).message.find("not a TorchScript model") !=
          std::string::npos);
    refusal(temporary("empty.pt", ""));
    refusal(temporary("zeros.pt", std::string(100000, '\0')));
    CHECK(refusal(EDDY_BINARY_DIR).message.find(": not a file") != std::string::npos);
    CHECK(refusal("/dev/zero").message.find(": not a file") != std::string::npos);
    CHECK(refusal("/nonexistent/model.pt").code == ErrorCode::unavailable);
    CHECK(refusal(temporary("photos.pt", archive_claiming("photos/cat.jpg", 10))).message.find("no code") !=
          std::string::npos);
}

TEST_CASE("sizes are bounded before anything is read") {
    const Error large = refusal(made_model("Fixed"), {.file_bytes_max = 1000});
    CHECK(large.message.find("at most") != std::string::npos);
    const Error bomb = refusal(temporary("bomb.pt", archive_claiming("m/code/x.py", 0xfffffffe)));
    CHECK(bomb.message.find("unpack to more") != std::string::npos);
    // The wide form without the field that would hold the size.
    CHECK(refusal(temporary("wide.pt", archive_claiming("m/code/x.py", 0xffffffff))).message.find("unpack") !=
          std::string::npos);
    CHECK(refusal(temporary("entries.pt", archive_claiming("m/code/x.py", 10, 5))).message.find("directory") !=
          std::string::npos);
    CHECK(check_archive(temporary("fine.pt", archive_claiming("m/code/x.py", 10)), 1000).ok());
}

TEST_CASE("the hash of a file is its SHA-256") {
    const auto hash = hash_file(temporary("abc.txt", "abc"));
    REQUIRE(hash.ok());
    CHECK(to_string(*hash) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(*hash == hash_text("abc"));
    CHECK_FALSE(hash_file("/nonexistent").ok());
}

TEST_CASE("two loads of one file number layers alike, and different models do not") {
    const auto one = must_load(made_model("resnet18"));
    const auto other = must_load(made_model("resnet18"));
    CHECK(one->chain_hash() == other->chain_hash());
    CHECK(one->model_hash() == other->model_hash());
    CHECK(one->chain_hash() != must_load(made_model("squeezenet1_1"))->chain_hash());
}

TEST_CASE("a card says what it must, within its ranges") {
    const std::string good =
        R"({"schema":"eddy.model/1","name":"m","task":"detect","height":10,"width":20,"mean":[0.5,0.5,0.5],
            "std":[1,2,3],"labels":["cat","dog"],"score_min":0.25,"iou_max":0.75})";
    const auto card = card_from_json(good);
    REQUIRE(card.ok());
    CHECK(card->task == Task::detect);
    CHECK(card->width == 20);
    CHECK(card->std[2] == 3.0F);
    CHECK(card->labels.at(1) == "dog");
    CHECK(card->score_min == 0.25F);
    const auto broken = [&](const std::string& from, const std::string& to) {
        std::string text = good;
        text.replace(text.find(from), from.size(), to);
        const auto read = card_from_json(text);
        return read ? std::string() : read.error().message;
    };
    CHECK(broken("model/1", "model/2").find("schema") != std::string::npos);
    CHECK(broken("\"detect\"", "\"dream\"").find("task") != std::string::npos);
    CHECK(broken("\"height\":10", "\"height\":-1").find("height") != std::string::npos);
    CHECK(broken("\"height\":10", "\"height\":100000").find("height") != std::string::npos);
    CHECK(broken("\"width\":20,", "").find("width") != std::string::npos);
    CHECK(broken("[0.5,0.5,0.5]", "[0.5,0.5]").find("mean") != std::string::npos);
    CHECK(broken("[1,2,3]", "[1,0,3]").find("std") != std::string::npos);
    CHECK(broken("[\"cat\",\"dog\"]", "[1]").find("labels") != std::string::npos);
    CHECK(broken("0.25", "1.25").find("score_min") != std::string::npos);
    CHECK(broken("0.75", "\"x\"").find("iou_max") != std::string::npos);
    CHECK_FALSE(card_from_json("[").ok());
    CHECK_FALSE(card_from_json("[]").ok());
}
