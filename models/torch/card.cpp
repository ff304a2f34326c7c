#include "models/torch/card.hpp"

#include <cmath>

#include <nlohmann/json.hpp>

#include "eddy/messages.hpp"

namespace eddy::torch_exec {

namespace {

using nlohmann::json;

constexpr size_t card_bytes_max = 8 << 20;

struct BadKey {
    std::string what;
};

const json& member(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end()) throw BadKey{std::string("\"") + key + "\" is missing"};
    return *found;
}

float number(const json& value, const char* key) {
    if (!value.is_number()) throw BadKey{std::string("\"") + key + "\" must be a number, found " + value.type_name()};
    return value.get<float>();
}

uint32_t extent(const json& object, const char* key) {
    const json& value = member(object, key);
    if (!value.is_number_unsigned() || value.get<uint64_t>() > frame_extent_max)
        throw BadKey{std::string("\"") + key + "\" must be a whole number from 1 to " +
                     std::to_string(frame_extent_max)};
    return value.get<uint32_t>();
}

std::array<float, 3> three(const json& object, const char* key) {
    const json& value = member(object, key);
    if (!value.is_array() || value.size() != 3)
        throw BadKey{std::string("\"") + key + "\" must be a list of 3 numbers"};
    return {number(value[0], key), number(value[1], key), number(value[2], key)};
}

std::string text(const json& value, const char* key) {
    if (!value.is_string()) throw BadKey{std::string("\"") + key + "\" must be text, found " + value.type_name()};
    return value.get<std::string>();
}

ModelCard read(const json& object) {
    if (!object.is_object()) throw BadKey{"it must be an object"};
    if (const std::string schema = text(member(object, "schema"), "schema"); schema != "eddy.model/1")
        throw BadKey{"\"schema\" must be \"eddy.model/1\", found \"" + schema.substr(0, name_bytes_max) + "\""};
    ModelCard card;
    card.name = text(member(object, "name"), "name");
    const std::string task = text(member(object, "task"), "task");
    if (task == "classify")
        card.task = Task::classify;
    else if (task == "detect")
        card.task = Task::detect;
    else if (task == "raw")
        card.task = Task::raw;
    else
        throw BadKey{"\"task\" must be \"classify\", \"detect\" or \"raw\", found \"" + task.substr(0, name_bytes_max) +
                     "\""};
    card.height = extent(object, "height");
    card.width = extent(object, "width");
    card.mean = three(object, "mean");
    card.std = three(object, "std");
    if (const auto labels = object.find("labels"); labels != object.end()) {
        if (!labels->is_array() || labels->size() > labels_max) throw BadKey{"\"labels\" must be a list of texts"};
        for (const json& label : *labels) card.labels.push_back(text(label, "labels"));
    }
    if (object.contains("score_min")) card.score_min = number(object["score_min"], "score_min");
    if (object.contains("iou_max")) card.iou_max = number(object["iou_max"], "iou_max");
    return card;
}

}  // namespace

Status check_card(const ModelCard& card) {
    if (card.name.empty() || card.name.size() > name_bytes_max)
        return invalid("\"name\" must have 1 to " + std::to_string(name_bytes_max) + " characters");
    if (card.height == 0 || card.height > frame_extent_max || card.width == 0 || card.width > frame_extent_max)
        return invalid("\"height\" and \"width\" must be from 1 to " + std::to_string(frame_extent_max));
    for (size_t c = 0; c < 3; ++c)
        if (!std::isfinite(card.mean[c]) || !std::isfinite(card.std[c]) || card.std[c] <= 0)
            return invalid("\"mean\" must be finite and \"std\" greater than 0");
    if (!(card.score_min >= 0 && card.score_min <= 1)) return invalid("\"score_min\" must be from 0 to 1");
    if (!(card.iou_max >= 0 && card.iou_max <= 1)) return invalid("\"iou_max\" must be from 0 to 1");
    return success();
}

Result<ModelCard> card_from_json(const std::string& text) {
    if (text.size() > card_bytes_max) return invalid("eddy.json is larger than 8 MiB");
    try {
        ModelCard card = read(json::parse(text));
        if (auto checked = check_card(card); !checked) return invalid("eddy.json: " + checked.error().message);
        return card;
    } catch (const BadKey& bad) {
        return invalid("eddy.json: " + bad.what);
    } catch (const json::exception& error) {
        return invalid(std::string("eddy.json: ") + error.what());
    }
}

}  // namespace eddy::torch_exec
