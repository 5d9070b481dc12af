<?php
exit("the last words\n");
