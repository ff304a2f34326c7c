#include "models/engine/graph_json.hpp"

#include "models/engine/profile_fields.hpp"
#include "models/engine/row_profile_json.hpp"
#include "models/graph/row_steps.hpp"

namespace eddy::engine {

namespace {

using fields::BadProfile;
using fields::json;

constexpr size_t values_max = 4 * graph::operators_max;
constexpr size_t list_max = 4096;
constexpr int64_t extent_max = int64_t{1} << 40;
/// "To the end" is the greatest number there is: a slice without an end has it.
constexpr int64_t attribute_max = INT64_MAX;

json shape_json(const std::vector<int64_t>& shape, DType dtype) {
    return {{"dtype", static_cast<unsigned>(dtype)}, {"shape", shape}};
}

json ids_json(const std::vector<ValueId>& ids) {
    json list = json::array();
    for (const ValueId id : ids) list.push_back(id.value);
    return list;
}

json graph_json(const graph::ModelGraph& graph) {
    json values = json::array();
    for (const graph::Value& value : graph.values()) values.push_back(shape_json(value.meta.shape, value.meta.dtype));
    json operators = json::array();
    for (const graph::Operator& op : graph.operators()) {
        json weights = json::array();
        for (const graph::Parameter& weight : op.weights) {
            weights.push_back(shape_json(weight.shape, weight.dtype));
            weights.back()["name"] = weight.name;
        }
        operators.push_back({{"kind", op.kind},
                             {"place", op.place},
                             {"inputs", ids_json(op.inputs)},
                             {"outputs", ids_json(op.outputs)},
                             {"attributes", op.attributes},
                             {"weights", std::move(weights)},
                             {"parameters", op.parameters},
                             {"weight_bytes", op.weight_bytes},
                             {"flops", op.flops}});
    }
    return {{"values", std::move(values)},
            {"operators", std::move(operators)},
            {"inputs", ids_json(graph.inputs())},
            {"outputs", ids_json(graph.outputs())}};
}

/// Empty lists are fine here.
const json& items(const json& object, const char* key, size_t max) {
    const json& value = fields::member(object, key);
    if (!value.is_array() || value.size() > max)
        throw BadProfile{std::string("\"") + key + "\" must be a list of at most " + std::to_string(max)};
    return value;
}

/// From -max - 1 to max.
int64_t whole(const json& value, const char* what, int64_t max) {
    if (!value.is_number_integer()) throw BadProfile{std::string(what) + " must be whole numbers"};
    const bool too_large = value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(max);
    if (too_large || value.get<int64_t>() < -max - 1) throw BadProfile{std::string(what) + " must be of this world"};
    return value.get<int64_t>();
}

std::vector<int64_t> numbers(const json& list, const char* what, int64_t max) {
    if (!list.is_array() || list.size() > list_max) throw BadProfile{std::string(what) + " must be a short list"};
    std::vector<int64_t> found;
    for (const json& each : list) found.push_back(whole(each, what, max));
    return found;
}

std::vector<int64_t> read_shape(const json& object) {
    return numbers(fields::member(object, "shape"), "a shape", extent_max);
}

std::vector<ValueId> read_ids(const json& object, const char* key) {
    std::vector<ValueId> ids;
    for (const json& each : items(object, key, values_max)) {
        const int64_t id = whole(each, key, extent_max);
        if (id < 0 || id >= static_cast<int64_t>(values_max)) throw BadProfile{std::string(key) + ": an unknown value"};
        ids.emplace_back(static_cast<uint32_t>(id));
    }
    return ids;
}

DType read_dtype(const json& object) {
    return static_cast<DType>(fields::count(object, "dtype", static_cast<uint64_t>(DType::f64)));
}

graph::Value read_value(const json& object, uint32_t id) {
    graph::Value value;
    value.meta = {ValueId{id}, read_dtype(object), read_shape(object), {}};
    value.bytes = value.meta.bytes().value_or(0);
    return value;
}

graph::Operator read_operator(const json& object) {
    graph::Operator op;
    op.kind = fields::text(object, "kind");
    op.place = fields::text(object, "place");
    op.inputs = read_ids(object, "inputs");
    op.outputs = read_ids(object, "outputs");
    const json& attributes = fields::member(object, "attributes");
    if (!attributes.is_object() || attributes.size() > list_max) throw BadProfile{"\"attributes\" must be an object"};
    for (const auto& [name, list] : attributes.items())
        op.attributes[name] = numbers(list, "an attribute", attribute_max);
    for (const json& weight : items(object, "weights", list_max))
        op.weights.push_back({fields::text(weight, "name"), read_shape(weight), read_dtype(weight)});
    op.parameters = fields::count(object, "parameters");
    op.weight_bytes = fields::count(object, "weight_bytes");
    op.flops = fields::count(object, "flops", UINT64_MAX);
    return op;
}

graph::ModelGraph read_graph(const json& object, std::string& place) {
    place = "graph: ";
    std::vector<graph::Value> values;
    for (const json& value : fields::list(object, "values", values_max))
        values.push_back(read_value(value, static_cast<uint32_t>(values.size())));
    std::vector<graph::Operator> operators;
    for (const json& op : fields::list(object, "operators", graph::operators_max)) {
        place = "graph.operators[" + std::to_string(operators.size()) + "]: ";
        operators.push_back(read_operator(op));
        for (const ValueId id : operators.back().outputs)
            if (id.value < values.size()) values[id.value].producer = static_cast<uint32_t>(operators.size()) - 1;
    }
    place = "graph: ";
    auto built = graph::ModelGraph::build(std::move(values), std::move(operators), read_ids(object, "inputs"),
                                          read_ids(object, "outputs"));
    if (!built) throw BadProfile{built.error().message};
    return *std::move(built);
}

}  // namespace

Status check_steps(const graph::ModelGraph& graph, const RowProfile& profile) {
    const auto steps = graph::row_steps(graph, graph::row_rules(graph));
    if (profile.steps.size() != steps.size())
        return invalid("row profile: it has " + std::to_string(profile.steps.size()) + " steps, the model " +
                       std::to_string(steps.size()));
    for (size_t i = 0; i < steps.size(); ++i) {
        const StepTimes& times = profile.steps[i];
        const std::string at = "row profile: steps[" + std::to_string(i) + "]";
        if (times.first != steps[i].first || times.last != steps[i].last)
            return invalid(at + " has other operators than the model's");
        if (times.times.empty() || times.times.back().rows != steps[i].rows)
            return invalid(at + ": the time of all its " + std::to_string(steps[i].rows) + " rows is missing");
    }
    return success();
}

std::string row_model_to_json(const RowModel& model) {
    json object = json::parse(row_profile_to_json(model.profile));
    object["chain_hash"] = to_string(model.chain_hash);
    object["graph"] = graph_json(model.graph);
    return object.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<RowModel> row_model_from_json(const std::string& text) {
    auto profile = row_profile_from_json(text);
    if (!profile) return profile.error();
    struct Known {
        ContentHash chain_hash;
        graph::ModelGraph graph;
    };
    auto known = fields::read_profile<Known>(
        "row profile", "eddy.row_profile/1", row_profile_bytes_max, text, [](const json& object, std::string& place) {
            const ContentHash chain_hash = fields::hash(object, "chain_hash");
            return Known{chain_hash, read_graph(fields::member(object, "graph"), place)};
        });
    if (!known) return known.error();
    if (auto checked = check_steps(known->graph, *profile); !checked) return checked.error();
    return RowModel{known->chain_hash, std::move(known->graph), *std::move(profile)};
}

}  // namespace eddy::engine
