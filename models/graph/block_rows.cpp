#include "models/graph/block_rows.hpp"

#include <algorithm>
#include <string>

namespace eddy::graph {

namespace {

class Walk {
public:
    Walk(const ModelGraph& graph, std::span<const RowRule> rules, std::span<const uint32_t> block)
        : graph_(graph), rules_(rules), block_(block), rows_(graph.values().size()) {}

    Result<BlockRows> run(std::span<const ValueRows> wanted) {
        if (auto checked = check_block(); !checked) return checked.error();
        if (auto taken = take(wanted); !taken) return taken.error();
        BlockRows result;
        result.operators.resize(block_.size());
        for (size_t place = block_.size(); place-- > 0;) {
            auto made = rows_of(block_[place]);
            if (!made) return made.error();
            result.operators[place] = *made;
            if (auto passed = pass_back(block_[place], *made); !passed) return passed.error();
        }
        collect(result);
        return result;
    }

private:
    [[nodiscard]] Status check_block() const {
        if (rules_.size() != graph_.operators().size()) return invalid("the row rules are not those of this graph");
        for (size_t place = 0; place < block_.size(); ++place)
            if (block_[place] >= rules_.size() || (place > 0 && block_[place] <= block_[place - 1]))
                return invalid("the operators of a block are not ascending ones of its graph");
        return success();
    }

    [[nodiscard]] bool makes(ValueId id) const {
        const uint32_t producer = graph_.value(id).producer;
        return producer != no_operator && std::binary_search(block_.begin(), block_.end(), producer);
    }

    Status take(std::span<const ValueRows> wanted) {
        for (const auto& [id, rows] : wanted) {
            if (id.value >= rows_.size() || !makes(id))
                return invalid("value " + std::to_string(id.value) + " is not made in the block");
            if (!rows.within(row_count(graph_.value(id))))
                return invalid("value " + std::to_string(id.value) + " has " +
                               std::to_string(row_count(graph_.value(id))) + " rows, wanted are " +
                               std::to_string(rows.begin) + " to " + std::to_string(rows.end));
            rows_[id.value] = hull(rows_[id.value], rows);
        }
        return success();
    }

    [[nodiscard]] Result<RowRange> rows_of(uint32_t index) const {
        const RowRule& rule = rules_[index];
        RowRange made;
        for (const ValueId id : graph_.operators()[index].outputs) {
            const RowRange rows = rows_[id.value];
            if (rows.empty()) continue;
            made = hull(made, rows);
            if (rule.divisible()) continue;
            // Outputs of a whole operator need not have equally many rows, so each is looked at for itself.
            if (rows.size() != row_count(graph_.value(id)))
                return invalid("operator " + std::to_string(index) + " (" + graph_.operators()[index].kind +
                               ") can only make all rows of value " + std::to_string(id.value));
            made = {0, rule.output_rows};
        }
        return made;
    }

    Status pass_back(uint32_t index, RowRange made) {
        const auto& inputs = graph_.operators()[index].inputs;
        for (size_t i = 0; i < inputs.size(); ++i) {
            const auto needed = needed_rows(rules_[index], i, made);
            if (!needed) return needed.error();
            RowRange& rows = rows_[inputs[i].value];
            rows = hull(rows, needed->rows);
            // Of what cannot be divided all is made as soon as one row is needed.
            if (!rows.empty() && makes(inputs[i]) && !rules_[graph_.value(inputs[i]).producer].divisible())
                rows = {0, row_count(graph_.value(inputs[i]))};
        }
        return success();
    }

    void collect(BlockRows& result) const {
        for (const uint32_t index : block_) {
            const Operator& op = graph_.operators()[index];
            for (const ValueId id : op.outputs) result.made.push_back({id, rows_[id.value]});
            for (const ValueId id : op.inputs)
                if (!makes(id)) result.inputs.push_back({id, rows_[id.value]});
        }
        const auto by_value = [](const ValueRows& a, const ValueRows& b) { return a.value < b.value; };
        std::sort(result.made.begin(), result.made.end(), by_value);
        std::sort(result.inputs.begin(), result.inputs.end(), by_value);
        result.inputs.erase(std::unique(result.inputs.begin(), result.inputs.end()), result.inputs.end());
    }

    const ModelGraph& graph_;
    std::span<const RowRule> rules_;
    std::span<const uint32_t> block_;
    std::vector<RowRange> rows_;  ///< by value
};

}  // namespace

Result<BlockRows> block_rows(const ModelGraph& graph, std::span<const RowRule> rules, std::span<const uint32_t> block,
                             std::span<const ValueRows> wanted) {
    return Walk(graph, rules, block).run(wanted);
}

}  // namespace eddy::graph
