#include "models/torch/symbolic.hpp"

#include <algorithm>
#include <string_view>

namespace eddy::torch_exec {

namespace {

using torch::jit::Node;
namespace prim = c10::prim;
namespace aten = c10::aten;

ContainerPtr as_container(const Symbolic& value) {
    const auto* found = std::get_if<ContainerPtr>(&value);
    return found == nullptr ? nullptr : *found;
}

bool as_index(const Symbolic& value, int64_t& index) {
    const auto* plain = std::get_if<c10::IValue>(&value);
    if (plain == nullptr || !plain->isInt()) return false;
    index = plain->toInt();
    return true;
}

Symbolic& item_at(const ContainerPtr& list, int64_t index) {
    const auto size = static_cast<int64_t>(list->items.size());
    if (index < 0) index += size;
    if (index < 0 || index >= size) throw Refusal{true, "an index lies outside its list"};
    return list->items[static_cast<size_t>(index)];
}

Container::Kind kind_of(const c10::TypePtr& type) {
    if (type->kind() == c10::TypeKind::TupleType) return Container::Kind::tuple;
    if (type->kind() == c10::TypeKind::DictType) return Container::Kind::dict;
    return Container::Kind::list;
}

Symbolic construct(Node* node, const std::vector<Symbolic>& inputs) {
    auto made = std::make_shared<Container>();
    made->type = node->output()->type();
    made->kind = kind_of(made->type);
    if (made->kind != Container::Kind::dict) {
        made->items = inputs;
        return made;
    }
    for (size_t i = 0; i + 1 < inputs.size(); i += 2) {
        made->keys.push_back(concrete(inputs[i]));
        made->items.push_back(inputs[i + 1]);
    }
    return made;
}

size_t find_key(const Container& dict, const Symbolic& key) {
    const c10::IValue wanted = concrete(key);
    for (size_t i = 0; i < dict.keys.size(); ++i)
        if (c10::_fastEqualsForContainer(dict.keys[i], wanted)) return i;
    return dict.keys.size();
}

bool run_dict_node(std::string_view name, const ContainerPtr& dict, const std::vector<Symbolic>& inputs,
                   std::vector<Symbolic>& outputs) {
    if (name == "aten::_set_item" && inputs.size() == 3) {
        const size_t at = find_key(*dict, inputs[1]);
        if (at == dict->keys.size()) {
            dict->keys.push_back(concrete(inputs[1]));
            dict->items.push_back(inputs[2]);
        } else {
            dict->items[at] = inputs[2];
        }
        return true;
    }
    if (name == "aten::__getitem__" && inputs.size() == 2) {
        const size_t at = find_key(*dict, inputs[1]);
        if (at == dict->keys.size()) throw Refusal{true, "a key is missing from its dictionary"};
        outputs.push_back(dict->items[at]);
        return true;
    }
    if (name == "aten::__contains__" && inputs.size() == 2) {
        outputs.emplace_back(c10::IValue(find_key(*dict, inputs[1]) < dict->keys.size()));
        return true;
    }
    if (name == "aten::values") {
        auto list = std::make_shared<Container>();
        list->type = c10::ListType::create(dict->type->expectRef<c10::DictType>().getValueType());
        list->items = dict->items;
        outputs.emplace_back(list);
        return true;
    }
    return false;
}

bool run_list_node(std::string_view name, const ContainerPtr& list, const std::vector<Symbolic>& inputs,
                   std::vector<Symbolic>& outputs) {
    int64_t index = 0;
    if (name == "aten::append" && inputs.size() == 2) {
        list->items.push_back(inputs[1]);
        outputs.emplace_back(list);
        return true;
    }
    if (name == "aten::__getitem__" && inputs.size() == 2 && as_index(inputs[1], index)) {
        outputs.push_back(item_at(list, index));
        return true;
    }
    if (name == "aten::add" && inputs.size() == 2 && as_container(inputs[1])) {
        auto sum = std::make_shared<Container>(*list);
        const auto& more = as_container(inputs[1])->items;
        sum->items.insert(sum->items.end(), more.begin(), more.end());
        outputs.emplace_back(sum);
        return true;
    }
    return false;
}

}  // namespace

bool holds_tensors(const c10::TypePtr& type) {
    if (type->kind() == c10::TypeKind::TensorType) return true;
    const auto inner = type->containedTypes();
    return std::any_of(inner.begin(), inner.end(), [](const c10::TypePtr& t) { return holds_tensors(t); });
}

bool depends_on_frame(const Symbolic& value) {
    if (const auto* cell = std::get_if<CellPtr>(&value)) return (*cell)->flat != nullptr;
    if (const auto* container = std::get_if<ContainerPtr>(&value))
        return std::any_of((*container)->items.begin(), (*container)->items.end(), depends_on_frame);
    return false;
}

void collect_cells(const Symbolic& value, std::vector<CellPtr>& out) {
    if (const auto* cell = std::get_if<CellPtr>(&value)) out.push_back(*cell);
    if (const auto* container = std::get_if<ContainerPtr>(&value))
        for (const Symbolic& item : (*container)->items) collect_cells(item, out);
}

c10::IValue concrete(const Symbolic& value) {
    if (const auto* plain = std::get_if<c10::IValue>(&value)) return *plain;
    if (const auto* cell = std::get_if<CellPtr>(&value)) return (*cell)->tensor;
    const Container& container = *std::get<ContainerPtr>(value);
    if (container.kind == Container::Kind::tuple) {
        std::vector<c10::IValue> items;
        for (const Symbolic& item : container.items) items.push_back(concrete(item));
        return c10::ivalue::Tuple::create(std::move(items));
    }
    if (container.kind == Container::Kind::dict) {
        const auto& type = container.type->expectRef<c10::DictType>();
        c10::impl::GenericDict dict(type.getKeyType(), type.getValueType());
        for (size_t i = 0; i < container.items.size(); ++i)
            dict.insert(container.keys[i], concrete(container.items[i]));
        return dict;
    }
    c10::impl::GenericList list(container.type->expectRef<c10::ListType>().getElementType());
    for (const Symbolic& item : container.items) list.push_back(concrete(item));
    return list;
}

Symbolic symbolic(const c10::IValue& value, const std::vector<CellPtr>& known) {
    if (value.isTensor()) {
        for (const CellPtr& cell : known)
            if (cell->tensor.is_same(value.toTensor())) return cell;
        auto cell = std::make_shared<Cell>();
        cell->tensor = value.toTensor();
        return cell;
    }
    if ((!value.isList() && !value.isTuple() && !value.isGenericDict()) || !holds_tensors(value.type())) return value;
    auto container = std::make_shared<Container>();
    container->type = value.type();
    container->kind = kind_of(container->type);
    if (value.isTuple()) {
        for (const c10::IValue& item : value.toTupleRef().elements()) container->items.push_back(symbolic(item, known));
    } else if (value.isList()) {
        for (const c10::IValue& item : value.toListRef()) container->items.push_back(symbolic(item, known));
    } else {
        for (const auto& entry : value.toGenericDict()) {
            container->keys.push_back(entry.key());
            container->items.push_back(symbolic(entry.value(), known));
        }
    }
    return container;
}

namespace {

/// Lists of numbers are kept as LibTorch keeps them, so that its own operators work on them.
c10::IValue plain_list(Node* node, const std::vector<Symbolic>& inputs) {
    if (node->kind() == prim::ListConstruct) {
        c10::impl::GenericList list(node->output()->type()->expectRef<c10::ListType>().getElementType());
        for (const Symbolic& input : inputs) list.push_back(concrete(input));
        return list;
    }
    const auto& type = node->output()->type()->expectRef<c10::DictType>();
    c10::impl::GenericDict dict(type.getKeyType(), type.getValueType());
    for (size_t i = 0; i + 1 < inputs.size(); i += 2)
        dict.insert_or_assign(concrete(inputs[i]), concrete(inputs[i + 1]));
    return dict;
}

bool run_constructor(Node* node, const std::vector<Symbolic>& inputs, std::vector<Symbolic>& outputs) {
    const auto kind = node->kind();
    if (kind != prim::ListConstruct && kind != prim::TupleConstruct && kind != prim::DictConstruct) return false;
    if (kind == prim::TupleConstruct || holds_tensors(node->output()->type()))
        outputs.push_back(construct(node, inputs));
    else
        outputs.emplace_back(plain_list(node, inputs));
    return true;
}

bool run_plain_unpack(Node* node, const std::vector<Symbolic>& inputs, std::vector<Symbolic>& outputs) {
    const auto kind = node->kind();
    if (kind != prim::ListUnpack && kind != prim::TupleUnpack) return false;
    const c10::IValue whole = concrete(inputs.at(0));
    const auto items = whole.isTuple() ? std::vector<c10::IValue>(whole.toTupleRef().elements().begin(),
                                                                  whole.toTupleRef().elements().end())
                                       : std::vector<c10::IValue>(whole.toList().begin(), whole.toList().end());
    if (items.size() != node->outputs().size()) throw Refusal{true, "a list has not the length expected"};
    for (const c10::IValue& item : items) outputs.push_back(symbolic(item, {}));
    return true;
}

}  // namespace

bool run_container_node(Node* node, const std::vector<Symbolic>& inputs, std::vector<Symbolic>& outputs) {
    const auto kind = node->kind();
    if (run_constructor(node, inputs, outputs)) return true;
    const ContainerPtr container = inputs.empty() ? nullptr : as_container(inputs[0]);
    if (!container) return run_plain_unpack(node, inputs, outputs);
    if (kind == prim::TupleUnpack || kind == prim::ListUnpack) {
        if (container->items.size() != node->outputs().size())
            throw Refusal{true, "a list has not the length expected"};
        outputs = container->items;
        return true;
    }
    int64_t index = 0;
    if (kind == prim::TupleIndex && as_index(inputs[1], index)) {
        outputs.push_back(item_at(container, index));
        return true;
    }
    if (kind == aten::len) {
        outputs.emplace_back(c10::IValue(static_cast<int64_t>(container->items.size())));
        return true;
    }
    const std::string_view name = kind.toQualString();
    if (container->kind == Container::Kind::dict) return run_dict_node(name, container, inputs, outputs);
    return run_list_node(name, container, inputs, outputs);
}

}  // namespace eddy::torch_exec
