#include "models/engine/profile_json.hpp"

#include <cmath>

#include <nlohmann/json.hpp>

#include "eddy/messages.hpp"
#include "models/graph/chain.hpp"

namespace eddy::engine {

namespace {

using nlohmann::json;

constexpr size_t profile_bytes_max = 1 << 20;
/// An hour for a layer, and as many parameters or bytes, are beyond anything real.
constexpr uint64_t count_max = uint64_t{1} << 50;

struct BadProfile {
    std::string what;
};

const json& member(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end()) throw BadProfile{std::string("\"") + key + "\" is missing"};
    return *found;
}

uint64_t count(const json& object, const char* key) {
    const json& value = member(object, key);
    if (!value.is_number_unsigned() || value.get<uint64_t>() > count_max)
        throw BadProfile{std::string("\"") + key + "\" must be a whole number >= 0"};
    return value.get<uint64_t>();
}

std::string text(const json& object, const char* key) {
    const json& value = member(object, key);
    if (!value.is_string() || value.get_ref<const std::string&>().size() > text_bytes_max)
        throw BadProfile{std::string("\"") + key + "\" must be a short text"};
    return value.get<std::string>();
}

ContentHash hash(const json& object, const char* key) {
    ContentHash made;
    if (!detail::unhex(text(object, key), made.bytes.data(), made.bytes.size()))
        throw BadProfile{std::string("\"") + key + "\" must be 64 hexadecimal digits"};
    return made;
}

LayerProfile read_layer(const json& object) {
    if (!object.is_object()) throw BadProfile{"a layer must be an object"};
    LayerProfile layer;
    layer.name = text(object, "name");
    layer.time = Usec(static_cast<int64_t>(count(object, "time_us")));
    layer.parameters = count(object, "parameters");
    layer.flops = count(object, "flops");
    layer.frontier_bytes = count(object, "frontier_bytes");
    const uint64_t tensors = count(object, "frontier_tensors");
    if (tensors > frontier_tensors_max) throw BadProfile{"\"frontier_tensors\" is too large"};
    layer.frontier_tensors = static_cast<uint32_t>(tensors);
    layer.weight_bytes = count(object, "weight_bytes");
    return layer;
}

}  // namespace

std::string profile_to_json(const ModelProfile& profile) {
    json layers = json::array();
    for (const LayerProfile& layer : profile.layers)
        layers.push_back({{"name", layer.name},
                          {"time_us", layer.time.count()},
                          {"parameters", layer.parameters},
                          {"flops", layer.flops},
                          {"frontier_bytes", layer.frontier_bytes},
                          {"frontier_tensors", layer.frontier_tensors},
                          {"weight_bytes", layer.weight_bytes}});
    const json object = {{"schema", "eddy.profile/1"},
                         {"model", profile.model},
                         {"device", profile.device},
                         {"model_hash", to_string(profile.model_hash)},
                         {"chain_hash", to_string(profile.chain_hash)},
                         {"gamma_s_per_parameter", profile.gamma_s_per_parameter()},
                         {"layers", std::move(layers)}};
    return object.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<ModelProfile> profile_from_json(const std::string& text_in) {
    if (text_in.size() > profile_bytes_max) return invalid("profile: larger than 1 MiB");
    std::string place;
    try {
        const json object = json::parse(text_in);
        if (!object.is_object() || text(object, "schema") != "eddy.profile/1")
            return invalid("profile: \"schema\" must be \"eddy.profile/1\"");
        ModelProfile profile;
        profile.model = text(object, "model");
        profile.device = text(object, "device");
        profile.model_hash = hash(object, "model_hash");
        profile.chain_hash = hash(object, "chain_hash");
        const json& layers = member(object, "layers");
        if (!layers.is_array() || layers.empty() || layers.size() > graph::layers_max)
            return invalid("profile: \"layers\" must be a list of 1 to " + std::to_string(graph::layers_max));
        for (const json& layer : layers) {
            place = "layers[" + std::to_string(profile.layers.size()) + "]: ";
            profile.layers.push_back(read_layer(layer));
        }
        return profile;
    } catch (const BadProfile& bad) {
        return invalid("profile: " + place + bad.what);
    } catch (const json::exception& error) {
        return invalid(std::string("profile: ") + error.what());
    }
}

}  // namespace eddy::engine
