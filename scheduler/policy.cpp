#include "scheduler/policy.hpp"

#include "eddy/assert.hpp"
#include "scheduler/policies.hpp"

namespace eddy::scheduler {

std::unique_ptr<Policy> make_policy(PolicyKind kind) {
    switch (kind) {
        case PolicyKind::local: return std::make_unique<LocalPolicy>();
        case PolicyKind::ms_mdi: return std::make_unique<MsMdiPolicy>();
    }
    EDDY_ASSERT(!"every kind of policy is handled above");
    return nullptr;
}

}  // namespace eddy::scheduler
