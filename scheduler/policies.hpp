// The policies themselves; each one's rule stands at the head of its source file.
#pragma once

#include "scheduler/policy.hpp"

namespace eddy::scheduler {

class LocalPolicy final : public Policy {
public:
    [[nodiscard]] const char* name() const override { return "local"; }
    [[nodiscard]] QueueKind admit(const SourceView& own) const override;
    [[nodiscard]] std::optional<Pick> pick(std::span<const SourceView> views) const override;
};

class MsMdiPolicy final : public Policy {
public:
    [[nodiscard]] const char* name() const override { return "ms-mdi"; }
    [[nodiscard]] QueueKind admit(const SourceView& own) const override;
    [[nodiscard]] std::optional<Pick> pick(std::span<const SourceView> views) const override;
};

}  // namespace eddy::scheduler
