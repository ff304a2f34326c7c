// See test_row_units.cpp. Models as people use them.
#include <cstdio>

#include "divided_run.hpp"
#include "support.hpp"

using namespace eddy::test;

#define EDDY_ARCHITECTURE(name, divisions)                                               \
    TEST_CASE("rows made by 1 to 6 devices, step by step and in blocks, agree: " name) { \
        check_divisions(made_model(name), divisions, 31);                                \
    }

EDDY_ARCHITECTURE("mobilenet_v2", 4)
EDDY_ARCHITECTURE("mobilenet_v3_small", 4)
EDDY_ARCHITECTURE("resnet18", 6)
EDDY_ARCHITECTURE("resnet50_scripted", 4)
EDDY_ARCHITECTURE("googlenet", 4)
EDDY_ARCHITECTURE("densenet121", 3)
EDDY_ARCHITECTURE("fcn_resnet50", 4)
EDDY_ARCHITECTURE("squeezenet1_1", 6)
EDDY_ARCHITECTURE("shufflenet_v2", 4)
EDDY_ARCHITECTURE("efficientnet_b0", 3)
EDDY_ARCHITECTURE("regnet_y_400mf", 3)
EDDY_ARCHITECTURE("inception_v3", 3)
EDDY_ARCHITECTURE("swin_small", 3)
EDDY_ARCHITECTURE("vit_small", 3)
EDDY_ARCHITECTURE("StaticFlow", 10)

TEST_CASE("rows of the real models made by 1 to 6 devices agree") {
    for (const char* name : {"ssdlite_mobilenet_v2_coco", "resnet50_imagenet"}) {
        const std::string path = real_model(name);
        if (FILE* file = std::fopen(path.c_str(), "rb")) {
            std::fclose(file);
            check_divisions(path, 4, 32);
        } else {
            FAIL_CHECK(path << " is missing: run scripts/setup, which makes it");
        }
    }
}
