<?php
header('Location: /plain.php', true, 303);
exit;
