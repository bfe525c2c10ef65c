#include "unit/unit.h"
static void t(void){CU_ASSERT(1);}
static const struct unit_case CASES[]={{"t",t},};
UNIT_MAIN("who", CASES)
