#include "models/engine/profile_json.hpp"

#include "models/engine/profile_fields.hpp"
#include "models/graph/chain.hpp"

namespace eddy::engine {

namespace {

using fields::json;

constexpr size_t profile_bytes_max = 1 << 20;

LayerProfile read_layer(const json& object) {
    if (!object.is_object()) throw fields::BadProfile{"a layer must be an object"};
    LayerProfile layer;
    layer.name = fields::text(object, "name");
    layer.time = Usec(static_cast<int64_t>(fields::count(object, "time_us")));
    layer.parameters = fields::count(object, "parameters");
    layer.flops = fields::count(object, "flops");
    layer.frontier_bytes = fields::count(object, "frontier_bytes");
    layer.frontier_tensors = static_cast<uint32_t>(fields::count(object, "frontier_tensors", frontier_tensors_max));
    layer.weight_bytes = fields::count(object, "weight_bytes");
    return layer;
}

ModelProfile read(const json& object, std::string& place) {
    ModelProfile profile;
    profile.model = fields::text(object, "model");
    profile.device = fields::text(object, "device");
    profile.model_hash = fields::hash(object, "model_hash");
    profile.chain_hash = fields::hash(object, "chain_hash");
    for (const json& layer : fields::list(object, "layers", graph::layers_max)) {
        place = "layers[" + std::to_string(profile.layers.size()) + "]: ";
        profile.layers.push_back(read_layer(layer));
    }
    return profile;
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
    return fields::read_profile<ModelProfile>("profile", "eddy.profile/1", profile_bytes_max, text_in, read);
}

}  // namespace eddy::engine
