#include "scheduler/policy.hpp"

#include "eddy/assert.hpp"
#include "scheduler/policies.hpp"

namespace eddy::scheduler {

std::optional<Pick> pick_starving(std::span<const SourceView> views) {
    const SourceView* longest = nullptr;
    for (const auto& view : views) {
        const bool distributed = view.distributed_starves && view.distributed > 0 && view.servable;
        const bool local = view.local_starves && view.local > 0;
        if ((distributed || local) && (longest == nullptr || view.served < longest->served)) longest = &view;
    }
    if (longest == nullptr) return std::nullopt;
    const bool local = longest->local_starves && longest->local > 0;
    return Pick{longest->source, local ? QueueKind::local : QueueKind::distributed};
}

std::unique_ptr<Policy> make_policy(PolicyKind kind) {
    switch (kind) {
        case PolicyKind::local: return std::make_unique<LocalPolicy>();
        case PolicyKind::ms_mdi: return std::make_unique<MsMdiPolicy>();
    }
    EDDY_ASSERT(!"every kind of policy is handled above");
    return nullptr;
}

}  // namespace eddy::scheduler
