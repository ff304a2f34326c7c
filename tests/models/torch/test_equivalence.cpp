// See check_everywhere.hpp. Models with many operators.
#include "check_everywhere.hpp"
#include "support.hpp"

using namespace eddy::test;

#define EDDY_ARCHITECTURE(name)                                                          \
    TEST_CASE("every legal cut and 20 compositions agree with the whole model: " name) { \
        check_everywhere(made_model(name), 11);                                          \
    }

EDDY_ARCHITECTURE("densenet121")
EDDY_ARCHITECTURE("swin_small")
EDDY_ARCHITECTURE("inception_v3")
EDDY_ARCHITECTURE("regnet_y_400mf")
EDDY_ARCHITECTURE("shufflenet_v2")
EDDY_ARCHITECTURE("shufflenet_v2_scripted")
EDDY_ARCHITECTURE("vit_small")
EDDY_ARCHITECTURE("StaticFlow")
EDDY_ARCHITECTURE("Fixed")
EDDY_ARCHITECTURE("squeezenet1_1")
EDDY_ARCHITECTURE("mobilenet_v3_small")
