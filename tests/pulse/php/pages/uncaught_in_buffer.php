<?php
ob_start();
echo "buffered\n";
throw new Exception("<b>markup</b>");
